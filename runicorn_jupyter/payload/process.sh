# Looks after one viewer's process from outside. POSIX sh, on stdin of `exec /bin/sh -s`, after assignments:
# mark, action (check, end, log), pid, start (its start time), folder, key, lines, grace (s), cleanup (yes, no).
# A process is only ever signalled while its start time is the one we know.

alive() {
    if [ -r /proc/self/stat ]; then
        line= after_name=') '
        read -r line <"/proc/$pid/stat" || return 1
        set -f
        # After the name, which may hold anything, come state (3) and, 19 further on, start time (22); proc(5).
        # shellcheck disable=SC2086
        set -- ${line##*"$after_name"}
        set +f
        case $1 in Z | X) return 1 ;; esac
        [ "${20}" = "$start" ]
    else
        # shellcheck disable=SC2046
        set -- $(LC_ALL=C ps -o lstart= -p "$pid")
        [ $# -gt 0 ] && [ "$*" = "$start" ]
    fi
}

# Waits until the process has gone, at most so many tenths of a second.
gone_within() {
    left=$1
    while alive; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1))
        sleep 0.1 || sleep 1
    done
}

end() {
    gone_within "$((grace * 10))" && return
    kill -TERM "$pid"
    gone_within 30 && return
    alive && kill -KILL "$pid"
    gone_within 50
}

main() {
    printf '\n%s\n' "$mark"
    case $action in
    check)
        if alive; then echo alive; else echo gone; fi
        ;;
    end)
        if end; then echo gone; else echo alive; fi
        case $cleanup:$folder:$key in
        yes:/*/runicorn-jupyter*/*:*[!0-9a-f]* | yes:*:) ;;
        yes:/*/runicorn-jupyter*/*:*)
            # Another viewer of the same environment may have come since: its state says another process.
            if [ ! -e "$folder/$key.json" ] || grep -q "\"pid\": $pid," "$folder/$key.json"; then
                rm -f "$folder/$key.json" "$folder/$key.log" "$folder/$key.log.1" "$folder/$key.lock"
                rmdir "$folder" && rmdir "${folder%/*}"
            fi
            ;;
        esac
        ;;
    log)
        if [ -r "$folder/$key.log" ]; then
            wc -l <"$folder/$key.log"
            tail -n "$lines" "$folder/$key.log"
        else
            echo none
        fi
        ;;
    esac
} 2>/dev/null </dev/null
main
