# Changing a service, in a session of its own.

pulled() { # $1: image
    docker image inspect "$1" >/dev/null 2>&1 && return 0
    docker pull --quiet "$1" && return 0
    host=${1%%/*}
    case $host in
        *.dkr.ecr.*.amazonaws.com | *.dkr.ecr.*.amazonaws.com.cn) ;;
        *) return 1 ;;
    esac
    command -v aws >/dev/null || {
        echo "this host is not logged in to $host, and has no aws command to do it with" >&2
        return 1
    }
    # With the host's own role, in a configuration of its own that does not stay.
    region=${host#*.dkr.ecr.}
    region=${region%%.amazonaws.com*}
    private=$(mktemp -d) || return 1
    aws ecr get-login-password --region "$region" |
        DOCKER_CONFIG=$private docker login --username AWS --password-stdin "$host" >/dev/null &&
        DOCKER_CONFIG=$private docker pull --quiet "$1"
    code=$?
    rm -rf "$private"
    return "$code"
}

# service, job, the job it may follow, `over` or `beside` what runs, history line, then what the job takes
start() {
    folder=$state/$1 job=$2 after=$3 manner=$4 line=$5
    prepared "$folder" || exit 65
    if command -v flock >/dev/null; then
        exec 9>"$folder/lock"
        flock 9
    fi
    last=''
    [ ! -s "$folder/id" ] || last=$(cat "$folder/id")
    if [ "$last" != "$job" ]; then
        if alive "$folder" && [ "$manner" != over ]; then
            echo 'begun busy'
        elif [ "$last" != "$after" ] && [ "$manner" != over ]; then
            echo 'begun changed'
        else
            ended "$folder" || exit 66
            if [ -n "$line" ]; then
                { tail -n 199 "$folder/history" 2>/dev/null; printf '%s\n' "$line"; } | written "$folder/history"
            fi
            printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$job" >>"$folder/asked"
            printf '%s\n' "$job" | written "$folder/id"
            service=$1
            shift 5
            in_session "$folder" job 0 "$project" "$file" "$service" "$job" "$@"
            echo 'begun yes'
        fi
    else
        echo 'begun before'
    fi
    shown_job "$folder"
}
# $1: folder, then a command that changes containers. The engine goes on with what it was asked for when
# its client is killed: a container that it stops or names then is in the way of the next change. So
# whoever wants to end this waits for the command (`ended`), and nothing begins for whom it is too late.
changing() {
    folder=$1
    shift
    : >"$folder/changing"
    [ ! -e "$folder/over" ] || finished "$folder" 143 over
    "$@"
    code=$?
    rm -f "$folder/changing"
    return "$code"
}
job() { # service, job, image (empty: nothing ran before), override, then path and number kept of each database
    service=$1 job=$2 image=$3 override=$4
    shift 4
    folder=$state/$service
    echo $$ >"$folder/pid"
    if [ -z "$image" ]; then
        changing "$folder" compose -f "$file" rm --stop --force "$service" || finished "$folder" "$?" remove
        rm -f "$folder/override.yml"
        finished "$folder" 0 remove
    fi
    pulled "$image" || finished "$folder" 1 pull
    while [ $# -ge 2 ]; do
        backed_up "$service" "$1" "$2" "$job" || finished "$folder" 1 backup
        shift 2
    done
    printf %s "$override" | written "$folder/override.yml" || finished "$folder" 1 override
    # Whether it comes up is seen by whoever follows; nothing waits here.
    changing "$folder" compose -f "$file" -f "$folder/override.yml" \
        up --detach --no-deps --no-build --pull never "$service" || finished "$folder" "$?" up
    finished "$folder" 0 up
}
