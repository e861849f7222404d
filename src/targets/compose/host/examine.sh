# What a deployment would run into.

# What the compose file says of a service's data and health. Values of variables are left out.
facts_of() { # $1: service
    compose -f "$file" config 2>/dev/null | awk -v service="$1" '
        function bare(text) { sub(/:$/, "", text); gsub(/^["\047]|["\047]$/, "", text); return text }
        function rest(text) { sub(/^[ -]*[a-z_]+: /, "", text); return bare(text) }
        function mount() {
            if (target == "") return
            print "mount", target
            if (kind == "volume" && source != "") used[source] = 1
            source = target = kind = ""
        }
        /^[^ ]/ { mount(); section = bare($1); name = key = "" }
        /^  [^ ]/ { mount(); name = bare($1); key = "" }
        section == "services" && name == service && /^    [^ ]/ { mount(); key = bare($1) }
        section == "services" && name == service && key == "image" { image = rest($0) }
        section == "services" && name == service && key == "healthcheck" { checked = 1 }
        key == "healthcheck" && $1 == "disable:" && $2 == "true" { off = 1 }
        section == "services" && name == service && key == "volumes" {
            if ($1 == "-") { mount(); kind = rest($0) }
            if ($1 == "source:") source = rest($0)
            if ($1 == "target:") target = rest($0)
        }
        section == "volumes" && /^    name: / { real[name] = rest($0) }
        section == "volumes" && /^    external: true/ { external[name] = 1 }
        END {
            mount()
            if (checked && !off) print "checked"
            if (image != "") print "wants", image
            for (name in used) print "volume", (external[name] ? "external" : "own"), (name in real ? real[name] : name)
        }'
}
# $1: image; whether this host can log in to where it comes from
shown_login() {
    host=${1%%/*}
    case $host in
        "$1" | docker.io) return 0 ;;
        *.* | *:*) ;;
        *) return 0 ;;
    esac
    config=${DOCKER_CONFIG:-${HOME:-/root}/.docker}/config.json
    if grep -qF "\"$host\"" "$config" 2>/dev/null; then printf 'login possible %s\n' "$host" && return; fi
    case $host in
        *.dkr.ecr.*.amazonaws.com | *.dkr.ecr.*.amazonaws.com.cn)
            if grep -q ecr-login "$config" 2>/dev/null; then
                printf 'login possible %s\n' "$host"
            elif command -v aws >/dev/null; then
                region=${host#*.dkr.ecr.}
                # The password goes nowhere: only whether there is one is asked.
                if said=$(aws ecr get-login-password --region "${region%%.amazonaws.com*}" 2>&1 >/dev/null); then
                    printf 'login possible %s\n' "$host"
                else
                    printf 'login refused %s %s\n' "$host" "$(printf %s "$said" | encoded)"
                fi
            else
                printf 'login impossible %s\n' "$host"
            fi
            ;;
        *) printf 'login unknown %s\n' "$host" ;;
    esac
}
examine() { # service, URL, then paths of databases; what a deployment would run into
    service=$1 url=$2
    shift 2
    survey "$service" "$@"
    printf 'platform %s\n' "$(docker version --format '{{.Server.Os}}/{{.Server.Arch}}' 2>/dev/null)"
    root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null)
    [ -n "$root" ] && [ -d "$root" ] || root=$(dirname -- "$file")
    df -Pk "$root" 2>/dev/null | awk -v root="$root" 'NR == 2 { print "disk", $4, root }'
    docker compose version >/dev/null 2>&1 && [ -e "$file" ] || return 0
    facts=$(facts_of "$service")
    printf '%s\n' "$facts" | grep -v '^volume ' | grep -v '^wants '
    printf '%s\n' "$facts" | sed -n 's/^volume //p' | while read -r whose name; do
        held=missing
        if docker volume inspect "$name" >/dev/null 2>&1; then held=held; fi
        printf 'volume %s %s %s\n' "$whose" "$held" "$name"
    done
    container=$(containers "$service" -a 2>/dev/null | head -n 1)
    image=''
    [ -z "$container" ] || image=$(docker inspect --format '{{.Config.Image}}' "$container" 2>/dev/null)
    [ -n "$image" ] || image=$(printf '%s\n' "$facts" | sed -n 's/^wants //p')
    shown_login "$image"
    [ -z "$container" ] || shown_answer "$url"
}
