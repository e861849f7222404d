#!/bin/sh
# The only program that Shipline runs on a Compose host, the same for this machine and for an EC2
# instance. It is constant: what differs comes as arguments, each base64, so that nothing of a name,
# a path or a command is ever read by a shell. It answers in lines `<word> <value>`; what they mean is
# decided elsewhere. Whatever takes long runs in a session of its own (`job`, `task`) and leaves its
# end in files, so that nothing depends on the connection that began it.
#
# It writes only below `.shipline/<project>` beside the compose file. It never passes `-v` to a
# removing command and never runs `down`: volumes are not touched.
set -u
export LC_ALL=C
export DOCKER_CLI_HINTS=false

decoded() { # to $value, trailing newlines kept; the first letter is there so that no word is empty
    value=$(printf %s "${1#b}" | base64 -d && printf x) || exit 64
    value=${value%x}
}
encoded() { base64 | tr -d '\n'; }

# $1: word, stdin: value
told() { printf '%s %s\n' "$1" "$(encoded)"; }

count=$#
while [ "$count" -gt 0 ]; do
    decoded "$1"
    shift
    set -- "$@" "$value"
    count=$((count - 1))
done
verb=$1 page=$2 project=$3 file=$4
shift 4
state=$(dirname -- "$file")/.shipline/$project

compose() { docker compose --progress quiet -p "$project" "$@"; }
containers() { # $1: service
    docker ps -q --no-trunc "$2" --filter "label=com.docker.compose.project=$project" \
        --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False
}
prepared() { # $1: folder
    mkdir -p "$1" && [ -e "$state/../.gitignore" ] || printf '*\n' >"$state/../.gitignore"
}
written() { # stdin into file $1, whole or not at all
    cat >"$1.new" && mv -f "$1.new" "$1"
}
alive() { # $1: folder
    [ -s "$1/pid" ] || return 1
    pid=$(cat "$1/pid")
    kill -0 "$pid" 2>/dev/null || return 1
    # After a restart of the machine the number may be somebody else's.
    [ ! -r "/proc/$pid/cmdline" ] || grep -qa shipline "/proc/$pid/cmdline"
}
ended() { # $1: folder; ends what runs there, with all it started
    alive "$1" || return 0
    : >"$1/over"
    tries=0
    while [ -e "$1/changing" ] && alive "$1" && [ "$tries" -lt 600 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    alive "$1" || return 0
    kill -TERM "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null
    tries=0
    while alive "$1"; do
        tries=$((tries + 1))
        [ "$tries" -le 50 ] || kill -KILL "-$pid" 2>/dev/null
        [ "$tries" -le 100 ] || return 1
        sleep 0.1
    done
}
# $1: folder; the rest: arguments of this program. Returns when it runs.
in_session() {
    folder=$1
    shift
    coded=''
    for word in "$@"; do coded="$coded b$(printf %s "$word" | encoded)"; done
    launcher='nohup'
    command -v setsid >/dev/null && launcher='setsid'
    rm -f "$folder/pid" "$folder/exit" "$folder/over" "$folder/changing"
    # Base64 words: splitting them is what is wanted.
    # shellcheck disable=SC2086
    $launcher sh -c "$SHIPLINE_SCRIPT" shipline $coded </dev/null >"$folder/log" 2>&1 9>&- &
    tries=0
    until [ -s "$folder/pid" ] || [ "$tries" -ge 200 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
}
# $1: folder, $2: exit code, $3: the step it ended in
finished() {
    printf '%s %s\n' "$2" "$3" | written "$1/exit"
    exit "$2"
}
run_state() { # $1: folder, $2: word
    if [ -s "$1/exit" ]; then
        printf '%s ended %s\n' "$2" "$(cat "$1/exit")"
    elif alive "$1"; then
        printf '%s running\n' "$2"
    elif [ -s "$1/exit" ]; then
        # It ended between the two looks.
        printf '%s ended %s\n' "$2" "$(cat "$1/exit")"
    else
        printf '%s lost\n' "$2"
    fi
    tail -n 40 "$1/log" 2>/dev/null | told log
}
