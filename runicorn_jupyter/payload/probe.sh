# Finds what connecting needs to know of the remote: the system, Python environments and the runicorn in each, its
# configuration, and viewers of ours that run. POSIX sh, on stdin of `exec /bin/sh -s`, after `mark`, `most` and
# `known` (what the login shell said before, or nothing: then it is asked; see login_shell) and `wanted` (the path of an
# interpreter or a prefix that is looked at too, or nothing).
#
# It reads names and small files and starts nothing for an environment. What it prints are fields that end in
# NUL, which no path can hold and no variable of a shell: nothing needs escaping, and nothing can be forged.
# Each record is a tag and a fixed number of fields, printed at once; see probe.py.

emit() { printf '%s\0' "$@"; }

# -- the system, runicorn's configuration

system_facts() {
    host='' system='' release='' pretty=''
    if [ -r /proc/sys/kernel/hostname ]; then
        read -r host </proc/sys/kernel/hostname
        read -r system </proc/sys/kernel/ostype
        read -r release </proc/sys/kernel/osrelease
        read -r boot </proc/sys/kernel/random/boot_id
    else
        host=$(uname -n) system=$(uname -s) release=$(uname -r)
    fi
    if [ -f /etc/os-release ]; then
        while IFS== read -r key value; do
            case $key in PRETTY_NAME) pretty=${value#\"} pretty=${pretty%\"} ;; esac
        done </etc/os-release
    fi
    emit system "$host" "$boot" "$system" "$release" "$pretty" "$HOME" "${RUNICORN_DIR-}"
}

# The only interpreter that is started, and only to say its version; beside all else, for it may be slow.
# Prints its prefix and its version, a line each.
python3_version() {
    found=$(command -v python3) || return
    case $found in
    */shims/*)
        # Of pyenv: a shim takes a tenth of a second, and its choice stands in a file.
        version=${PYENV_VERSION-}
        [ -n "$version" ] || read -r version <"${found%/shims/*}/version"
        printf '%s\nPython %s\n' "${found%/shims/*}" "$version"
        ;;
    /*)
        cd -P -- "${found%/*}/.." && printf '%s\n' "$PWD" && python3 -V
        ;;
    esac
}

# Folders that look as storage roots of runicorn do: those of its default name, and what holds its data base within
# two levels of where people keep data.
roots() {
    root_at "${RUNICORN_DIR-}"
    root_at "${login_RUNICORN_DIR-}"
    for place in "$HOME" "${SCRATCH:-/nowhere}" "${WORK:-/nowhere}"; do roots_below "$place"; done
    # Disks of this machine; a file server that does not answer would hold all of this up.
    while read -r disk place type rest; do
        case $place in / | /boot* | /usr* | /var* | /snap* | /home | *\\*) continue ;; esac
        case $type in ext[234] | xfs | btrfs | zfs | f2fs) [ -d "$place" ] && roots_below "$place" ;; esac
    done </proc/mounts
}

roots_below() {
    for one in "$1"/.runicorn "$1"/*/.runicorn; do root_at "$one"; done
    for one in "$1"/runs "$1"/*/runs "$1"/*/*/runs; do
        one=${one%/runs}
        if [ -f "$one/runicorn.db" ] || [ -f "$one/index/runicorn.db" ]; then root_at "$one"; fi
    done
}

# root_at FOLDER: print a storage root, once, and how many runs it has; 1000 of them are as many as count.
root_at() {
    case $1 in /*) ;; *) return ;; esac
    case $seen_roots in *"
$1
"*) return ;; esac
    cd -P -- "$1/runs" || return
    seen_roots="$seen_roots$1
"
    runs=$(find . -maxdepth 8 -name media -prune -o -name meta.json -print | head -n 1000 | wc -l)
    emit root "$1" "$((runs))"
}

runicorn_config() {
    case $system in
    Darwin) file="$HOME/Library/Application Support/Runicorn/config.json" ;;
    *) file="${XDG_CONFIG_HOME:-$HOME/.config}/runicorn/config.json" ;;
    esac
    [ -f "$file" ] && emit config "$(dd if="$file" bs=65536 count=1)"
}

# -- the login shell

# Prints what the login shell exports, a line each (a newline in a value is \1), between two lines of `mark`; a third
# says that there is no more to come. Its files print where nobody reads, and have nothing to read from: the answer
# goes to its standard input, the one descriptor that shells keep for what they start. It is the leader of a
# session, which ends with the answer, or after five seconds.
login_shell() {
    status=''
    if [ -n "$known" ]; then
        printf '%s\n' "$known"
        return
    fi
    case ${SHELL-} in
    /*)
        export RUNICORN_JUPYTER_MARK="$mark" RUNICORN_JUPYTER_RESOLVING_ENVIRONMENT=1
        if [ -n "$locale" ]; then LC_ALL=$locale; else unset LC_ALL; fi
        answer='{ echo "$RUNICORN_JUPYTER_MARK begin"; /usr/bin/env -0 | PATH="$PATH:/usr/bin:/bin" command tr "\0\n" "\n\1"; '
        answer="exec /bin/sh -c '$answer echo \"\$RUNICORN_JUPYTER_MARK end\"; } >&0'"
        case ${SHELL##*/} in
        csh | tcsh)
            # These take -l alone; by name they are login shells with other options too.
            set -- "$SHELL" -ic "$answer"
            command -v bash >/dev/null && set -- bash -c 'exec -a -csh "$0" "$@"' "$@"
            ;;
        *) set -- "$SHELL" -ilc "$answer" ;;
        esac
        if command -v setsid >/dev/null; then set -- setsid "$@"; else set -m; fi
        "$@" 0>&1 >/dev/null &
        shell=$!
        end_after 5 >/dev/null &
        watch=$!
        wait "$shell"
        status=$?
        kill "$watch"
        # The answer does not wait for it.
        end_shell >/dev/null &
        ;;
    esac
    printf '\n%s over %s\n' "$mark" "$status"
}

end_shell() {
    kill -s KILL -- "-$shell" || kill -s KILL "$shell"
    # A shell with job control gives each job a group of its own: what is left of its session. Not read line by line:
    # dash asks the system for each byte.
    left=$(grep -l "^[0-9]* (.*) [A-Za-z] [0-9]* [0-9]* $shell " /proc/[0-9]*/stat)
    for one in $left; do
        one=${one#/proc/}
        kill -s KILL "${one%/stat}"
    done
}

end_after() {
    sleep "$1" &
    pause=$!
    trap 'kill "$pause"; exit' TERM
    wait "$pause"
    end_shell
}

# Reads what login_shell prints, and takes over what says where environments are.
login_variables() {
    answered='' changed='' status=''
    while IFS= read -r line; do
        case $line in
        "$mark begin") answered=begun ;;
        "$mark end")
            [ "$answered" = begun ] && answered=yes
            break
            ;;
        "$mark over "*)
            status=${line##* }
            break
            ;;
        *) [ "$answered" = begun ] && login_variable "$line" ;;
        esac
    done
    case ${SHELL-} in /*) emit login "$answered" "${SHELL##*/}" "$status" ;; esac
}

login_variable() {
    name=${1%%=*} value=${1#*=}
    case $name in "$1" | '' | [0-9]* | *[!A-Za-z0-9_]*) return ;; esac
    eval "before=\${$name-}"
    eval "login_$name=\$value"
    [ "$value" = "$before" ] && return
    emit variable "$1"
    case $name in
    PATH)
        login_path=$value
        return
        ;;
    RUNICORN_DIR) return ;;
    CONDA_* | MAMBA_* | PYENV_ROOT | PIXI_HOME | UV_TOOL_DIR | UV_PYTHON_INSTALL_DIR | HATCH_DATA_DIR | ASDF_DATA_DIR | MISE_DATA_DIR | WORKON_HOME | VIRTUAL_ENV | POETRY_* | XDG_CONFIG_HOME | \
        XDG_DATA_HOME | XDG_CACHE_HOME | WORK | SCRATCH | MODULEPATH | EBROOT* | EASYBUILD_* | SPACK_*) eval "$name=\$value" ;;
    *) return ;;
    esac
    changed=yes
    [ "$name" = XDG_CONFIG_HOME ] && runicorn_config
}

# -- viewers of ours (state_files.py writes these files)

states() {
    for base in "${XDG_STATE_HOME:-$HOME/.local/state}/runicorn-jupyter" "${XDG_RUNTIME_DIR:-/nowhere}/runicorn-jupyter" \
        "${TMPDIR:-/tmp}"/runicorn-jupyter-state-* /var/tmp/runicorn-jupyter-state-* /dev/shm/runicorn-jupyter-state-*; do
        # Once inside a folder that is ours alone, nobody can exchange what is looked at.
        [ -d "$base" ] && [ ! -L "$base" ] && cd -P -- "$base" && ours_alone || continue
        for folder in *."$boot"*; do
            cd -P -- "$base" && [ -d "$folder" ] && [ ! -L "$folder" ] && cd -P -- "$folder" && ours_alone && states_here
        done
    done
}

ours_alone() {
    [ -O . ] || return
    case $(ls -ld .) in d???------*) ;; *) return 1 ;; esac
}

states_here() {
    for file in ./*.json; do
        [ -f "$file" ] && [ ! -L "$file" ] && [ -O "$file" ] || continue
        line='' stat='' after_name=') '
        IFS= read -r line <"$file"
        pid=${line##*\"pid\": }
        pid=${pid%%[!0-9]*}
        [ -n "$pid" ] && read -r stat <"/proc/$pid/stat"
        emit viewer "$line" "${stat##*"$after_name"}"
    done
}

# -- environments (places.sh, which is sent before this file, says where)

# look KIND PREFIX: print the environment that is there, once. KIND is what its place makes it: venv, project,
# conda, pyenv, asdf, mise, uv, module, private (ours; see payload/setup); what is in it decides whether it is a conda environment or a virtualenv.
look() {
    kind=$1 prefix=$2
    cd -P -- "$prefix" || return
    case $seen in *"
$PWD
"*) return ;; esac
    python='' version='' base='' inherits='' libs='' broken=''
    if [ -f pyvenv.cfg ]; then
        case $kind in venv | private | project) ;; *) kind=venv ;; esac
        while IFS='= ' read -r key value; do
            case $key in
            version | version_info) version=$value ;;
            home) base=$value ;;
            include-system-site-packages) inherits=$value ;;
            esac
        done <pyvenv.cfg
    elif [ -d conda-meta ]; then
        kind=conda
        case ${PWD%/*} in */envs) ;; *) if [ -d condabin ] || [ -x bin/conda ]; then kind=base; fi ;; esac
        for file in conda-meta/python-[0-9]*.json; do
            [ -f "$file" ] && version=${file#conda-meta/python-}
        done
        # Variables that activation would set (conda env config vars).
        [ -f conda-meta/state ] && variables=$PWD/conda-meta/state
    else
        case $kind in pyenv | asdf | mise | uv | module | named) ;; *) return ;; esac
    fi
    seen="$seen$PWD
"
    for file in "${own:-bin/python}" bin/python bin/python3; do
        if [ -x "$file" ]; then
            python=$file
            break
        elif [ -L "$file" ] && [ -z "$broken" ]; then
            broken=$file
        fi
    done
    [ -n "$python$broken" ] || return
    if [ "$count" -ge "$most" ]; then
        more=yes
        return
    fi
    count=$((count + 1))
    for file in lib/python3* lib/pypy3*; do
        [ -d "$file" ] && libs="$libs $file"
    done
    emit env "$kind" "$prefix" "$PWD" "$python" "$version" "$base" "$inherits" "$libs"
    if [ "$kind" = private ] && read -r size <runicorn-jupyter.size; then
        emit size "$size"
    fi
    if [ -n "${variables-}" ]; then
        emit variables "$(dd if="$variables" bs=65536 count=1)"
        variables=
    fi
    for file in lib/python3*/site-packages/runicorn-[0-9]*.dist-info lib/pypy3*/site-packages/runicorn-[0-9]*.dist-info; do
        dist "$file"
    done
    if [ "$kind" = base ]; then
        folder=$PWD
        for prefix in "$folder"/envs/*/; do look conda "${prefix%/}"; done
    fi
}

# dist FOLDER: print a dist-info folder, and whether the package is there or, if editable, pointed to.
dist() {
    [ -d "$1" ] || return
    present=no
    if [ -f "${1%/*}/runicorn/__init__.py" ]; then
        present=yes
    else
        for file in "${1%/*}"/*runicorn*.pth; do
            case $file in *jupyter*) continue ;; esac
            [ -f "$file" ] && present=yes
        done
    fi
    emit dist "$1" "$present"
}

# interpreters FOLDER: what a folder of programs belongs to: an environment, or the system's Pythons.
interpreters() {
    case $1 in /*) ;; *) return ;; esac
    cd -P -- "$1" || return
    case $PWD in */shims) return ;; esac
    [ -x python3 ] || [ -x python ] || return
    case $seen in *"
$PWD
"*) return ;; esac
    seen="$seen$PWD
"
    bin=${PWD##*/}
    cd .. || return
    case $seen in *"
$PWD
"*) return ;; esac
    if [ -f pyvenv.cfg ]; then
        look venv "$PWD"
    elif [ -d conda-meta ]; then
        look conda "$PWD"
    else
        folder=$PWD
        for python in "$bin"/python3.[0-9] "$bin"/python3.[0-9][0-9]; do
            cd -- "$folder" || return
            [ -x "$python" ] && system_python "$python"
        done
    fi
}

# system_python PROGRAM: print an interpreter of the system; the current folder is its prefix if it is no link.
system_python() {
    python=$1 minor=${1##*/}
    if [ -L "$python" ]; then
        python=$(readlink -f "$python") || return
        cd -P -- "${python%/*}/.." || return
        case $seen in *"
$python
"*) return ;; esac
        seen="$seen$python
"
        python=${python#"$PWD"/}
    fi
    emit env system "$PWD" "$PWD" "$python" "${minor#python}" '' '' " lib/$minor"
    for file in lib/python3/dist-packages lib/"$minor"/site-packages lib/"$minor"/dist-packages \
        local/lib/"$minor"/dist-packages local/lib/"$minor"/site-packages; do
        for file in "$file"/runicorn-[0-9]*.dist-info; do dist "$file"; done
    done
}

system_places() {
    split_path "${login_path-}:/usr/local/bin:/usr/bin:/opt/homebrew/bin" interpreters
}

# What is named by its path: a prefix, or any program, whose folder is then in the prefix.
wanted_place() {
    case $wanted in
    /*) ;;
    *) return ;;
    esac
    own=''
    if [ ! -d "$wanted" ]; then
        [ -f "$wanted" ] && [ -x "$wanted" ] || return
        cd -P -- "${wanted%/*}" || return
        own=${PWD##*/}/${wanted##*/}
        wanted=${PWD%/*}
        wanted=${wanted:-/}
    fi
    look named "$wanted"
    own=''
    cd -P -- "$wanted" && emit named "$PWD"
}

user_site() {
    cd -P -- "$HOME" || return
    emit user
    for file in .local/lib/python3*/site-packages/runicorn-[0-9]*.dist-info; do dist "$file"; done
}

# What a Python that is brought would have to fit, and the uv that could bring it.
platform() {
    machine=$(uname -m) libc='' glibc='' uv=''
    words=$(getconf GNU_LIBC_VERSION)
    case $words in
    "glibc "*) libc=gnu glibc=${words#glibc } ;;
    *)
        for file in /lib/ld-linux* /lib64/ld-linux* /lib/*/ld-linux*; do [ -e "$file" ] && libc=gnu; done
        for file in /lib/ld-musl-*.so.1; do [ -e "$file" ] && libc=musl; done
        ;;
    esac
    uv=$(
        PATH="${login_path:-/nowhere}:$HOME/.local/bin:$HOME/.cargo/bin"
        command -v uv
    )
    case $uv in /*) ;; *) uv='' ;; esac
    emit platform "$system" "$machine" "$libc" "$glibc" "$uv"
}

places() {
    conda_places
    venv_places
    pyenv_places
    module_places
    system_places
    project_places
}

# What the login shell says comes on the standard input, python3's version on the third descriptor.
scan() {
    printf '\n%s\0' "$mark"
    system_facts
    runicorn_config
    states
    user_site
    places
    login_variables
    if [ -n "$changed$unknown" ]; then
        places
    elif [ "$login_path" != "${PATH-}" ]; then
        system_places
    fi
    wanted_place
    roots
    prefix='' version=''
    IFS= read -r prefix <&3 && IFS= read -r version <&3
    emit python3 "$prefix" "$version"
    case $version in "Python 3."[89]* | "Python 3."[1-9][0-9]*) ;; *) platform ;; esac
    emit end "$more"
}

main() {
    unset CDPATH IFS
    locale=${LC_ALL-} login_path=${PATH-}
    LC_ALL=C
    HOME=${HOME:-/}
    own='' boot='' count=0 more='' variables='' unknown='' seen='
' seen_roots='
'
    # What reads a file says so. All three run side by side.
    python3_version </dev/null | {
        exec 3<&0
        login_shell </dev/null 3<&- | scan
    }
} 2>/dev/null
main
