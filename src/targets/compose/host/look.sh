# What runs, and what a change or a plan is judged by.

shown_containers() { # $1: service
    ids=$(containers "$1" -a 2>&1) || { printf '%s\n' "$ids" | told refused && return; }
    for id in $ids; do
        docker inspect --format '{"id":{{json .Id}},"image":{{json .Config.Image}},"image_id":{{json .Image}},"state":{{json .State}},"restarts":{{.RestartCount}},"hash":{{json (index .Config.Labels "com.docker.compose.config-hash")}}}' "$id" 2>/dev/null |
            sed 's/^/container /'
    done
}
shown_job() { # $1: folder
    [ -s "$1/id" ] || return 0
    printf 'job %s\n' "$(cat "$1/id")"
    printf 'since %s\n' "$(date -u -r "$1/id" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null)"
    run_state "$1" state
}
shown_answer() { # $1: URL
    [ -n "$1" ] || return 0
    said=$(curl -sS -o /dev/null -m 5 -w '%{http_code}' --url "$1" 2>&1)
    printf %s "$said" | told http
}
look() { # service, URL; what changes while it is followed
    printf 'now %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    shown_containers "$1"
    shown_job "$state/$1"
    shown_answer "$2"
}
survey() { # service, then paths of databases; everything a plan is made from
    service=$1
    shift
    printf 'now %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    version=$(docker compose version --short 2>&1) || { printf '%s\n' "$version" | told no-compose && return; }
    printf 'compose %s\n' "$version"
    command -v curl >/dev/null && echo 'curl yes'
    [ -e "$file" ] || { echo 'file missing' && return; }
    override=$state/$service/override.yml
    services=$(compose -f "$file" config --services 2>&1) || { printf '%s\n' "$services" | told wrong && return; }
    printf '%s\n' "$services" | sed 's/^/service /'
    if [ -e "$override" ]; then
        compose -f "$file" -f "$override" config --hash "$service" 2>/dev/null
    else
        compose -f "$file" config --hash "$service" 2>/dev/null
    fi | sed -n 's/^[^ ]* /hash /p'
    shown_containers "$service"
    for id in $(containers "$service" -a 2>/dev/null); do
        image=$(docker inspect --format '{{.Image}}' "$id")
        docker image inspect --format '{"id":{{json .Id}},"digests":{{json .RepoDigests}},"commit":{{if .Config.Labels}}{{json (index .Config.Labels "org.opencontainers.image.revision")}}{{else}}null{{end}}}' "$image" 2>/dev/null |
            sed 's/^/image /'
    done
    shown_job "$state/$service"
    [ ! -e "$state/$service/history" ] || sed 's/^/history /' "$state/$service/history"
    [ ! -e "$state/$service/asked" ] || tail -n 400 "$state/$service/asked" | sed 's/^/asked /'
    container=$(containers "$service" -q 2>/dev/null | head -n 1)
    for path in "$@"; do
        if [ -n "$container" ]; then way_of "$container" "$path"; else way='missing'; fi
        printf 'database %s %s\n' "$way" "$path"
    done
}
lines() { # service, since when, how many of each container at most
    ids=$(containers "$1" -a 2>&1) || { printf '%s\n' "$ids" | told refused && return; }
    for id in $ids; do
        known=$(docker inspect --format '{{.HostConfig.LogConfig.Type}} {{.Name}}' "$id" 2>/dev/null) || continue
        case $known in
            none\ *) echo 'unlogged none' ;;
            *) docker logs --timestamps --since "$2" --tail "$3" "$id" 2>&1 | told "logged ${known#* /}" ;;
        esac
    done
}
logs() { # service, number of lines; and how its containers ended lately
    docker events --since 10m --until "$(date +%s)" --filter type=container --filter event=die \
        --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1" \
        --format '{{.Actor.ID}} {{index .Actor.Attributes "exitCode"}}' 2>/dev/null | tail -n 20 | sed 's/^/died /'
    set -- "$1" "$2" -f "$file"
    [ ! -e "$state/$1/override.yml" ] || set -- "$@" -f "$state/$1/override.yml"
    service=$1 lines=$2
    shift 2
    compose "$@" logs --no-color --no-log-prefix --tail "$lines" "$service" 2>&1 | told lines
}
