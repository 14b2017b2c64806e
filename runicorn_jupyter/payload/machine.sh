# Tells how the machine is, while somebody listens. POSIX sh, on stdin of `exec /bin/sh -s`, after assignments:
# root (the folder whose disk counts; empty: the home), period (s between two samples), lease (samples without a
# line on stdin until it ends), patience (s for a program of a vendor's), proc and sys (where these are mounted).
# After the script, each line of stdin prolongs the lease.
# A record is a tag and a text, each ended by NUL; only a text that is not as it was told last. Three processes write
# here, and only a write of up to PIPE_BUF bytes, 4,096, is never mixed with another's (pipe(7)): a long text is some
# records of its tag and a plus sign, and one of its tag alone. Between lines is RS, as some shells write each line
# by itself.

say() {
    eval "told=\${told_$1-}"
    [ "$told" = "$2" ] && return
    eval "told_$1=\$2"
    tag=$1 part= room=60000
    set -f
    IFS='
'
    # shellcheck disable=SC2086
    set -- $2
    unset IFS
    set +f
    for text; do
        room=$((room - ${#text} - 1))
        [ "$room" -ge 0 ] || break
        # Characters, of up to four bytes.
        if [ -n "$part" ] && [ "$((${#part} + ${#text}))" -ge 1000 ]; then
            printf '%s+\0%.1000s\0' "$tag" "$part"
            part=
        fi
        part="${part:+$part$rs}$text"
    done
    printf '%s\0%.1000s\0' "$tag" "$part"
}

# Ends a program that does not end by itself: a driver that hangs, a file server that is gone.
limit() {
    if command -v timeout >/dev/null; then timeout "$patience" "$@"; else "$@"; fi
}

facts() {
    cpus=$(getconf _NPROCESSORS_ONLN) || cpus=$(grep -c '^cpu[0-9]' "$proc/stat")
    boot=
    while read -r name value _; do
        [ "$name" = btime ] && boot=$value && break
    done <"$proc/stat"
    say facts "$cpus $(id -un) $boot $(getconf CLK_TCK)"
}

# In whole percents, and tens of MiB: what only flickers is not told.
busy() {
    read -r _ user nice system idle iowait irq softirq steal _ <"$proc/stat" || return
    total=$((user + nice + system + idle + iowait + irq + softirq + ${steal:-0}))
    rest=$((idle + iowait))
    if [ -n "${last_total-}" ] && [ "$total" -gt "$last_total" ]; then
        say cpu "$((100 - 100 * (rest - last_rest) / (total - last_total)))"
    fi
    last_total=$total last_rest=$rest
    read -r load _ <"$proc/loadavg" && say load "$load"
    size= available=
    while read -r name value _; do
        case $name in
        MemTotal:) size=$value ;;
        MemAvailable:) available=$value && break ;;
        esac
    done <"$proc/meminfo"
    say memory "$size $((available / 10240 * 10240))"
}

disk() {
    case $root in
    /*) place=$root ;;
    "~/"*) place=$HOME/${root#"~/"} ;;
    *) place=$HOME ;;
    esac
    while [ ! -d "$place" ] && [ "${place#*/}" != "$place" ]; do place=${place%/*}; done
    say disk "$(limit df -kP "${place:-/}")"
}

# The processes, and all above them: a worker is its launcher's.
processes() {
    seen=
    stats=
    for pid in $1; do
        depth=0
        while [ "$pid" -gt 1 ] && [ "$depth" -lt 16 ]; do
            case " $seen " in *" $pid "*) break ;; esac
            [ "${#seen}" -lt 4096 ] || break 2
            seen="$seen $pid"
            line=
            read -r line <"$proc/$pid/stat" || break
            # After the name, which may hold anything: state (3), parent (4), and start time (22); proc(5).
            set -f
            # shellcheck disable=SC2086
            set -- ${line##*') '}
            set +f
            stats="$stats$pid $2 ${20}
"
            pid=$2
            depth=$((depth + 1))
        done
    done
    say stats "$stats"
    list=$(printf '%s' "${seen# }" | tr ' ' ',')
    [ -z "$list" ] || say processes "$(ps -ww -o pid= -o user= -o args= -p "$list" | cut -c 1-960)"
}

nvidia() {
    command -v nvidia-smi >/dev/null || return
    if [ "$((round % 30))" = 0 ]; then
        say nvidia "$(limit nvidia-smi --query-gpu=index,uuid,name,memory.total --format=csv,noheader,nounits 2>&1 || echo "failed $?")"
    fi
    case $told_nvidia in *failed*) return ;; esac
    say nvidia_use "$(limit nvidia-smi --query-gpu=index,utilization.gpu,memory.used,temperature.gpu,power.draw --format=csv,noheader,nounits || echo "failed $?")"
    case $told_nvidia_use in *failed*) return ;; esac
    [ "$((round % 2))" = 0 ] || return
    apps=$(limit nvidia-smi --query-compute-apps=gpu_uuid,pid,used_memory --format=csv,noheader,nounits || echo "failed $?")
    say nvidia_apps "$apps"
    pids="$pids $(printf '%s\n' "$apps" | cut -d , -f 2 | tr -cd '0-9\n' | head -n 256)"
}

# As the amdgpu driver has it in sysfs: no program of the vendor's, and nothing to start.
amd() {
    cards=
    for device in "$sys"/class/drm/card*/device; do
        [ -r "$device/mem_info_vram_total" ] || continue
        card=${device%/device}
        line=${card##*/card}
        for file in unique_id product_name mem_info_vram_total mem_info_vram_used gpu_busy_percent \
            hwmon/hwmon*/temp1_input hwmon/hwmon*/power1_average; do
            value=
            for path in "$device"/$file; do
                read -r value <"$path" && break
            done
            line="$line|$value"
        done
        for render in "$device"/drm/renderD*; do line="$line|${render##*/renderD}"; done
        cards="$cards$line
"
    done
    [ -n "$cards" ] || return
    say amd "$cards"
    [ "$((round % 2))" = 0 ] || return
    nodes=
    for node in "$sys"/class/kfd/kfd/topology/nodes/*; do
        read -r id <"$node/gpu_id" && while read -r name value; do
            [ "$name" = drm_render_minor ] && nodes="$nodes$id $value
" && break
        done <"$node/properties"
    done
    say amd_nodes "$nodes"
    apps=
    for app in "$sys"/class/kfd/kfd/proc/[1-9]*; do
        for file in "$app"/vram_*; do
            read -r value <"$file" && [ "$value" != 0 ] || continue
            apps="$apps${app##*/} ${file##*/vram_} $value
"
            pids="$pids ${app##*/}"
        done
    done
    say amd_apps "$apps"
}

ascend() {
    command -v npu-smi >/dev/null || return
    [ "$((round % 2))" = 0 ] || return
    table=$(limit npu-smi info || echo "failed $?")
    say ascend "$table"
    # A row of the table of processes: two columns of numbers, then the process.
    pids="$pids $(printf '%s\n' "$table" | sed -n 's/^| *[0-9][0-9]*  *[0-9][0-9]* *| *\([0-9][0-9]*\) *|.*/\1/p' | head -n 256)"
}

# Beside the rest: what hangs here leaves that as it is.
accelerators() {
    round=0
    while :; do
        pids=
        nvidia
        amd
        ascend
        [ -z "${pids# }" ] || processes "$pids"
        printf 'looked\0%s\0' accelerators
        round=$((round + 1))
        sleep "$period" &
        wait $!
    done
}

disks() {
    while :; do
        disk
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
            sleep "$period" &
            wait $!
        done
    done
}

listen() {
    while read -r _; do kill -USR1 $$; done
    kill -TERM $$
}

finish() {
    trap '' TERM
    kill "$listener" "$accelerators" "$disks"
    exit 0
}

main() {
    exec 3<&0 </dev/null
    rs=$(printf '\036')
    left=$lease
    trap 'left=$lease' USR1
    trap finish TERM HUP PIPE
    listen <&3 &
    listener=$!
    exec 3<&-
    accelerators &
    accelerators=$!
    facts
    disks &
    disks=$!
    busy
    sleep 0.1 || sleep 1
    while [ "$left" -gt 0 ]; do
        busy
        printf 'looked\0%s\0' machine || break
        left=$((left - 1))
        sleep "$period" &
        wait $!
    done
    finish
} 2>/dev/null
main
