# Brings a Python to a machine that has none, or finds the one that was brought before. POSIX sh, evaluated, so that the
# rest of the input is its own, with `mark` and `action` (find, uv or receive), and for `uv` and `receive` `needed`
# (bytes of disk), for `uv` the program and `request`, for `receive` `name`, `size` and `sha256` of an archive.
#
# What it says are lines of `mark`, a word and what belongs to it; other lines are what programs print. A folder of
# `pythons` counts when it has its name, which a rename gives it when it is whole. What a process is at work on has the
# machine's name and its own id in its name: what belongs to none that runs was left by one that was killed.

say() { printf '%s %s\n' "$mark" "$1"; }

# fail KIND [WORDS]
fail() {
    printf '%s\n' "${2-}"
    say "failed $1"
    exit 1
}

# starts FOLDER: whether the Python in it runs; $python is its path, and $words what it says if not.
starts() {
    python=$1/bin/python3
    words=$("$python" -c 'import ssl, venv, zlib' 2>&1 </dev/null)
}

# Says the path of a Python that is there.
find_python() {
    for folder in "$PWD"/*; do
        case $folder in *.part) continue ;; esac
        if [ -x "$folder/bin/python3" ] && [ ! -L "$folder" ] && starts "$folder"; then
            say "python $python"
            return
        fi
    done
    return 1
}

# left_by_nobody NAME: whether the process that worked on it is one of this machine, and gone.
left_by_nobody() {
    owner=${1%.*}
    case $owner in *".$host."*) ;; *) return 1 ;; esac
    owner=${owner##*.}
    case $owner in '' | *[!0-9]*) return 1 ;; esac
    ! kill -0 "$owner"
} 2>/dev/null

# Makes the folder, and sees that it has room and runs programs.
prepare() {
    umask 077
    words=$(mkdir -p -- "$place/pythons" 2>&1) || fail words "$words"
    cd -P -- "$place/pythons" || fail words
    for left in *.part *.archive; do
        case $left in "${name:-.}".*.archive) continue ;; esac
        left_by_nobody "$left" && rm -rf -- "$left"
    done
    # shellcheck disable=SC2046
    set -- $(df -Pk . 2>/dev/null | tail -n 1)
    case ${4-} in
    '' | *[!0-9]*) ;;
    *) [ "$4" -ge "$((needed / 1024))" ] || fail "room $(($4 * 1024))" ;;
    esac
    try=.try-$$
    words=$({ printf '#!/bin/sh\n' >"$try" && chmod 700 "$try"; } 2>&1) || {
        rm -f "$try"
        fail words "$words"
    }
    words=$("./$try" 2>&1)
    status=$?
    rm -f "$try"
    [ "$status" != 126 ] || fail noexec "$words"
}

# The machine's own uv, by its own settings. The end of our input ends it.
by_uv() {
    prepare
    say 'step bringing_python'
    export UV_PYTHON_INSTALL_DIR="$PWD" UV_PYTHON_INSTALL_BIN=0
    [ -d "${XDG_CACHE_HOME:-$HOME/.cache}/uv" ] || export UV_CACHE_DIR="${UV_CACHE_DIR:-$place/cache/uv}"
    exec 3<&0
    "$uv" python install --no-progress "$request" 2>&1 </dev/null 3<&- &
    installing=$!
    { cat <&3 && kill "$installing"; } >/dev/null 2>&1 &
    watching=$!
    wait "$installing"
    status=$?
    kill "$watching"
    [ "$status" = 0 ] || fail uv
    find_python || fail start "$words"
}

# An archive of a Python on the input; what an attempt before this has received is not sent again.
receive() {
    for tool in tar gzip; do command -v "$tool" >/dev/null || fail "tool $tool"; done
    prepare
    own=$name.$host.$$.archive
    for left in "$name".archive "$name".*.archive; do
        case $left in "$name".archive) [ -f "$left" ] || continue ;; *) left_by_nobody "$left" || continue ;; esac
        # One of several who want it gets it.
        if [ -f "$own" ]; then rm -f -- "$left"; else mv -- "$left" "$own" 2>/dev/null; fi
    done
    have=0
    [ -f "$own" ] && have=$(wc -c <"$own")
    if [ "$have" -gt "$size" ]; then
        rm -f -- "$own"
        have=0
    fi
    say "want $((have))"
    words=$(cat 2>&1 >>"$own") || {
        rm -f -- "$own"
        fail words "$words"
    }
    have=$(wc -c <"$own")
    if [ "$have" -lt "$size" ]; then
        mv -- "$own" "$name.archive"
        exit 1
    fi
    say 'step checking'
    [ "$(digest <"$own")" = "$sha256" ] || {
        rm -f -- "$own"
        fail hash
    }
    unpack
}

digest() {
    if command -v sha256sum >/dev/null; then
        found=$(sha256sum)
    elif command -v shasum >/dev/null; then
        found=$(shasum -a 256)
    elif command -v openssl >/dev/null; then
        found=$(openssl dgst -sha256 -r)
    fi
    printf '%s' "${found%% *}"
}

unpack() {
    say 'step unpacking_python'
    part=$name.$host.$$.part
    words=$({ mkdir -- "$part" && gzip -dc <"$own" | tar -xf - -C "$part"; } 2>&1) || {
        rm -rf -- "$part" "$own"
        fail words "$words"
    }
    rm -f -- "$own"
    starts "$PWD/$part" || {
        rm -rf -- "$part"
        fail start "$words"
    }
    # A rename by mv would go into a folder that is there; who was faster has brought the same.
    "$python" -c 'import os, sys; os.rename(*sys.argv[1:])' "$part" "$name" 2>/dev/null || rm -rf -- "$part"
    starts "$PWD/$name" || fail start "$words"
    say "python $python"
}

LC_ALL=C
export LC_ALL
unset CDPATH IFS
name=${name-} words=''
place=$(cd -P -- "$HOME" && printf '%s.' "${PWD%/}")
place=${place%.}/.local/share/runicorn-jupyter
if [ -r /proc/sys/kernel/hostname ]; then read -r host </proc/sys/kernel/hostname; else host=$(uname -n); fi
case $action in
find) if cd -P -- "$place/pythons" 2>/dev/null && find_python; then :; else say none; fi ;;
uv | receive)
    say "place $place"
    if [ "$action" = uv ]; then by_uv; else receive; fi
    ;;
esac
