# Where people keep environments: what probe.sh looks at, with its `look`. Names of folders and small files alone.

# Both take folders; a pattern that matched nothing is not one.
each() {
    kind_of_all=$1
    shift
    for one in "$@"; do
        [ -d "$one" ] && look "$kind_of_all" "$one"
    done
}

conda_places() {
    for file in "$HOME"/.conda/environments.txt "$HOME"/.mamba/environments.txt; do
        [ -f "$file" ] || continue
        while IFS= read -r one; do
            case $one in /*) look conda "$one" ;; esac
        done <"$file"
    done
    each conda "${CONDA_PREFIX:-/nowhere}" "${MAMBA_ROOT_PREFIX:-/nowhere}" "${CONDA_EXE%/bin/conda}" \
        "$HOME"/miniconda* "$HOME"/anaconda* "$HOME"/miniforge* "$HOME"/mambaforge* "$HOME"/micromamba* \
        "$HOME"/.miniconda* "$HOME"/.local/share/mamba /opt/*conda* /opt/*forge* /opt/mamba /opt/micromamba \
        /usr/local/*conda* /usr/local/*forge*
    # A root of micromamba has no Python of its own, and so is not looked into by itself.
    each conda "${PIXI_HOME:-$HOME/.pixi}"/envs/* "${MAMBA_ROOT_PREFIX:-/nowhere}"/envs/* "$HOME"/micromamba/envs/* "$HOME"/.local/share/mamba/envs/* \
        "$HOME"/.conda/envs/* "$HOME"/.mamba/envs/*
    split_path "${CONDA_ENVS_PATH-}:${CONDA_ENVS_DIRS-}" each_conda_below
    for file in "$HOME"/.condarc "$HOME"/.conda/.condarc "$HOME"/.config/conda/.condarc "$HOME"/.mambarc "${CONDARC:-/nowhere}" \
        "${MAMBARC:-/nowhere}" /etc/conda/.condarc /etc/conda/condarc; do
        condarc "$file"
    done
}

each_conda_below() { each conda "$1"/*; }

# split_path LIST FUNCTION: call the function with each folder of a list like PATH's.
split_path() {
    IFS=:
    set -f
    function=$2
    # shellcheck disable=SC2086
    set -- $1
    set +f
    unset IFS
    for folder in "$@"; do
        case $folder in /*) "$function" "$folder" ;; esac
    done
}

# condarc FILE: look into the `envs_dirs` of a configuration of conda or mamba: a list of lines, or in brackets.
condarc() {
    [ -f "$1" ] || return
    inside=''
    while read -r line || [ -n "$line" ]; do
        [ ${#line} -le 4096 ] || continue
        line=${line%%' #'*}
        case $line in '' | \#*) continue ;; esac
        if [ "$inside" != brackets ]; then
            case $line in
            envs_dirs:* | envs_path:*) inside=lines line=${line#*:} ;;
            -*) line=${line#-} ;;
            *) inside='' ;;
            esac
            line=${line#"${line%%[! ]*}"}
            case $inside$line in
            lines\[*) inside=brackets line=${line#?} ;;
            lines?*) condarc_folder "$line" ;;
            esac
        fi
        [ "$inside" = brackets ] || continue
        set -f
        IFS=,
        # shellcheck disable=SC2086
        set -- ${line%%]*}
        unset IFS
        set +f
        for one in "$@"; do condarc_folder "$one"; done
        case $line in *]*) inside='' ;; esac
    done <"$1"
}

condarc_folder() {
    folder=${1#"${1%%[! ]*}"}
    folder=${folder%"${folder##*[! ]}"}
    case $folder in \"*\") folder=${folder#?} folder=${folder%?} ;; \'*\') folder=${folder#?} folder=${folder%?} ;; esac
    expand "$folder"
    case $expanded in /*) each conda "$expanded"/* ;; esac
}

# expand TEXT: put the home for ~ and variables for $NAME and ${NAME} into `expanded`; nothing else is read in it.
# What is not known yet, the login shell may say.
expand() {
    expanded='' rest=$1
    case $rest in '~' | '~/'*) rest=$HOME${rest#'~'} ;; esac
    while :; do
        case $rest in *'$'*) ;; *) break ;; esac
        expanded=$expanded${rest%%'$'*} rest=${rest#*'$'}
        case $rest in
        '{'*'}'*) name=${rest%%'}'*} name=${name#'{'} rest=${rest#*'}'} ;;
        *) name=${rest%%[!A-Za-z0-9_]*} rest=${rest#"${rest%%[!A-Za-z0-9_]*}"} ;;
        esac
        case $name in
        '' | [0-9]* | *[!A-Za-z0-9_]*)
            expanded=''
            return
            ;;
        esac
        eval "value=\${login_$name-\${$name-}}"
        [ -n "$value" ] || unknown=yes
        expanded=$expanded$value
    done
    expanded=$expanded$rest
}

venv_places() {
    each private "$HOME"/.local/share/runicorn-jupyter/runicorn
    data=${XDG_DATA_HOME:-$HOME/.local/share} cache=${XDG_CACHE_HOME:-$HOME/.cache}
    each venv "${VIRTUAL_ENV:-/nowhere}" "${WORKON_HOME:-$HOME/.virtualenvs}"/* "$HOME"/.virtualenvs/* \
        "$data"/virtualenvs/* "${POETRY_VIRTUALENVS_PATH:-${POETRY_CACHE_DIR:-$cache/pypoetry}/virtualenvs}"/* "$data"/pdm/venvs/* \
        "$data"/hatch/env/virtual/*/*/* "${UV_TOOL_DIR:-$data/uv/tools}"/* "$HOME"/.rye/tools/* "$data"/pipx/venvs/* "$HOME"/.local/pipx/venvs/* \
        "$HOME"/.venvs/* "$HOME"/venvs/* "$HOME"/virtualenvs/* "$HOME"/.envs/* "$HOME"/envs/* "$HOME"/Envs/* \
        "$HOME"/.venv "$HOME"/.env "${HATCH_DATA_DIR:-/nowhere}"/env/virtual/*/*/*
    for folder in "${WORK:-/nowhere}" "${SCRATCH:-/nowhere}"; do
        each conda "$folder"/*conda* "$folder"/*forge* "$folder"/micromamba/envs/*
        each venv "$folder"/envs/* "$folder"/venvs/* "$folder"/.venvs/* "$folder"/virtualenvs/*
        for one in "$folder"/*/pyvenv.cfg "$folder"/*/conda-meta; do
            [ -e "$one" ] && look venv "${one%/*}"
        done
    done
    for one in "$HOME"/*/pyvenv.cfg /opt/*/pyvenv.cfg /venv/pyvenv.cfg; do
        [ -f "$one" ] && look venv "${one%/*}"
    done
}

projects_in() {
    for folder in "$@"; do
        [ -d "$folder" ] || continue
        each conda "$folder"/*/.pixi/envs/*
        for one in "$folder"/*/.venv "$folder"/*/venv "$folder"/*/env "$folder"/*/.env; do
            [ -d "$one" ] && look project "$one"
        done
    done
}

project_places() {
    projects_in "$HOME"
    projects_in "$HOME"/projects "$HOME"/Projects "$HOME"/project "$HOME"/src "$HOME"/code "$HOME"/Code "$HOME"/work \
        "$HOME"/workspace "$HOME"/repos "$HOME"/git "$HOME"/github "$HOME"/dev "$HOME"/Documents "$HOME"/research \
        "$HOME"/experiments "${WORK:-/nowhere}" "${SCRATCH:-/nowhere}" /workspace
    each project /workspace/.venv /workspace/venv
}

pyenv_places() {
    for folder in "${PYENV_ROOT:-$HOME/.pyenv}/versions" "$HOME/.pyenv/versions"; do
        each pyenv "$folder"/* "$folder"/*/envs/*
    done
    each uv "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}"/*
    each asdf "${ASDF_DATA_DIR:-$HOME/.asdf}"/installs/python/*
    each mise "${MISE_DATA_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/mise}"/installs/python/*
}

# What environment modules and package managers of clusters install. EasyBuild keeps software/NAME/VERSION beside
# modules/; Spack has prefixes NAME-VERSION-HASH, and environments with a view, a folder of links.
module_places() {
    each module "${EBROOTPYTHON:-/nowhere}"
    for one in EBROOTANACONDA3 EBROOTMINICONDA3 EBROOTMINIFORGE3 EBROOTMAMBA; do
        eval "folder=\${$one-}"
        each conda "${folder:-/nowhere}"
    done
    split_path "${MODULEPATH-}" easybuild_tree
    for folder in "${EASYBUILD_INSTALLPATH:-/nowhere}" "${EASYBUILD_PREFIX:-/nowhere}" "$HOME"/.local/easybuild; do
        each module "$folder"/software/Python/*
    done
    for folder in "${SPACK_ROOT:-/nowhere}" "$HOME"/spack; do
        each module "$folder"/var/spack/environments/*/.spack-env/view "$folder"/opt/spack/*/python-3* "$folder"/opt/spack/*/*/python-3*
    done
    each module "${SPACK_ENV:-/nowhere}"/.spack-env/view
}

easybuild_tree() {
    case $1 in */modules | */modules/*) ;; *) return ;; esac
    tree=${1%/modules*}/software
    each module "$tree"/Python/*
    each conda "$tree"/Anaconda3/* "$tree"/Miniconda3/* "$tree"/Miniforge3/* "$tree"/Mamba/*
}
