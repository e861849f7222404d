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
    rm -f "$folder/pid" "$folder/exit"
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

# --- SQLite -----------------------------------------------------------------------

copy_program='import sqlite3, sys
source = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
copy = sqlite3.connect(sys.argv[2])
source.backup(copy)
said = copy.execute("pragma quick_check").fetchone()[0]
copy.close()
sys.exit(None if said == "ok" else said)'

# $1: container, $2: path in it; to $host_path, empty when no mount holds it
host_path_of() {
    host_path=$(docker inspect --format '{{range .Mounts}}{{.Destination}}|{{.Source}}{{"\n"}}{{end}}' "$1" |
        while IFS='|' read -r destination source; do
            case $2 in "$destination"/*) printf '%s%s\n' "$source" "${2#"$destination"}" ;; esac
        done | tail -n 1)
}
# $1: container, $2: path in it; how a copy can be made while it is in use, to $way
way_of() {
    if docker exec "$1" sqlite3 -version >/dev/null 2>&1; then
        way='container-sqlite3'
    elif docker exec "$1" python3 -c 'import sqlite3' >/dev/null 2>&1; then
        way='container-python3'
    else
        host_path_of "$1" "$2"
        if [ -z "$host_path" ] || [ ! -r "$(dirname "$host_path")" ]; then
            way='none'
        elif [ ! -e "$host_path" ]; then
            way='missing'
        elif command -v sqlite3 >/dev/null; then
            way='host-sqlite3'
        elif python3 -c 'import sqlite3' >/dev/null 2>&1; then
            way='host-python3'
        else
            way='none'
        fi
        return
    fi
    docker exec "$1" test -e "$2" >/dev/null 2>&1 || [ "$?" != 1 ] || way='missing'
}
# $1: service, $2: path in the container, $3: how many are kept, $4: job
backed_up() {
    container=$(containers "$1" -q | head -n 1)
    [ -n "$container" ] || { echo "nothing runs: no copy of $2" && return 0; }
    way_of "$container" "$2"
    copies=$state/$1/backups/$(printf %s "${2#/}" | tr / _)
    mkdir -p "$copies" || return 1
    name=$(date -u +%Y%m%dT%H%M%SZ)-$(printf %.8s "$4").sqlite
    inside=$2.shipline-copy
    case $way in
        missing) echo "$2 does not exist yet: no copy" && return 0 ;;
        container-sqlite3)
            docker exec "$container" sqlite3 "$2" ".timeout 30000" ".backup '$inside'" &&
                docker cp "$container:$inside" "$copies/$name"
            ;;
        container-python3)
            docker exec "$container" python3 -c "$copy_program" "$2" "$inside" &&
                docker cp "$container:$inside" "$copies/$name"
            ;;
        host-sqlite3) (cd "$copies" && sqlite3 "$host_path" ".timeout 30000" ".backup '$name'") ;;
        host-python3) python3 -c "$copy_program" "$host_path" "$copies/$name" ;;
        *) echo "no sqlite3 or python3 can reach $2" >&2 && return 1 ;;
    esac || return 1
    case $way in container-*) docker exec "$container" rm -f "$inside" >/dev/null 2>&1 ;; esac
    [ -s "$copies/$name" ] || { echo "the copy of $2 is empty" >&2 && return 1; }
    echo "copied $2 to $copies/$name"
    # Names sort by time.
    find "$copies" -name '*.sqlite' | sort -r | tail -n "+$(($3 + 1))" | while IFS= read -r old; do rm -f "$old"; done
}

# --- verbs ------------------------------------------------------------------------

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
discover() { # what the compose file names, and what of it runs
    version=$(docker compose version --short 2>&1) || { printf '%s\n' "$version" | told no-compose && return; }
    [ -e "$file" ] || { echo 'file missing' && return; }
    text=$(docker compose -f "$file" config 2>&1) || { printf '%s\n' "$text" | told wrong && return; }
    whole=$(cd "$(dirname -- "$file")" && pwd)/$(basename -- "$file")
    # What runs may have been given another name than the file's.
    project=$(docker ps -a --filter "label=com.docker.compose.project.config_files=$whole" \
        --format '{{.Label "com.docker.compose.project"}}' 2>/dev/null | head -n 1)
    [ -n "$project" ] || project=$(printf '%s\n' "$text" | sed -n 's/^name: //p' | tr -d "\"'")
    printf 'project %s\n' "$project"
    found=$(printf '%s\n' "$text" | awk '
        function bare(text) { sub(/:$/, "", text); gsub(/^["\047]|["\047]$/, "", text); return text }
        function rest(text) { sub(/^ *[a-z_]+: /, "", text); return bare(text) }
        function told() {
            if (name != "") printf "%s\t%s\t%s\t%s\n", name, context, file, image
            name = key = ""; context = file = image = "-"
        }
        BEGIN { context = file = image = "-" }
        /^[^ ]/ { told(); section = bare($1) }
        section == "services" && /^  [^ ]/ { told(); name = bare($1) }
        section == "services" && /^    [^ ]/ { key = bare($1) }
        section == "services" && key == "image" { image = rest($0) }
        section == "services" && key == "build" && /^      context: / { context = rest($0) }
        section == "services" && key == "build" && /^      dockerfile: / { file = rest($0) }
        END { told() }')
    printf '%s\n' "$found" | sed 's/^/found /'
    printf '%s\n' "$found" | cut -f 1 | while IFS= read -r service; do
        container=$(containers "$service" 2>/dev/null | head -n 1)
        [ -z "$container" ] || printf 'runs %s %s\n' "$service" "$(docker inspect --format '{{.Config.Image}}' "$container")"
    done
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
job() { # service, job, image (empty: nothing ran before), override, then path and number kept of each database
    service=$1 job=$2 image=$3 override=$4
    shift 4
    folder=$state/$service
    echo $$ >"$folder/pid"
    if [ -z "$image" ]; then
        compose -f "$file" rm --stop --force "$service" || finished "$folder" "$?" remove
        rm -f "$folder/override.yml"
        finished "$folder" 0 remove
    fi
    pulled "$image" || finished "$folder" 1 pull
    while [ $# -ge 2 ]; do
        backed_up "$service" "$1" "$2" "$job" || finished "$folder" 1 backup
        shift 2
    done
    printf %s "$override" | written "$folder/override.yml" || finished "$folder" 1 override
    compose -f "$file" -f "$folder/override.yml" up --detach --no-deps --no-build --pull never --wait "$service" ||
        finished "$folder" "$?" up
    finished "$folder" 0 up
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
start_task() { # service, key, image, override, then the command
    folder=$state/tasks/$2
    prepared "$state/tasks" || exit 65
    if mkdir "$folder" 2>/dev/null; then
        printf %s "$4" | written "$folder/override.yml"
        # Old ones go; their names are hashes, so the time of the folder tells.
        find "$state/tasks" -mindepth 1 -maxdepth 1 -type d -mtime +30 -exec rm -rf {} +
        in_session "$folder" task 0 "$project" "$file" "$@"
    fi
    printf 'now %s\n' "$(date -u -r "$folder/override.yml" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u +%Y-%m-%dT%H:%M:%SZ)"
    run_state "$folder" state
}
task() {
    service=$1 key=$2 image=$3
    shift 4
    folder=$state/tasks/$key
    echo $$ >"$folder/pid"
    pulled "$image" || finished "$folder" 1 pull
    compose -f "$file" -f "$folder/override.yml" run --rm -T --no-deps --name "shipline-$key" "$service" "$@"
    finished "$folder" "$?" run
}
look_task() { # key
    [ -d "$state/tasks/$1" ] || { echo 'state none' && return; }
    run_state "$state/tasks/$1" state
}
stop_task() { # key
    # The wrapper first, else it would write down that the command ended.
    ended "$state/tasks/$1" || exit 66
    docker rm --force "shipline-$1" >/dev/null 2>&1
    left=$(docker ps -aq --filter "name=^/shipline-$1\$" 2>&1)
    if [ -n "$left" ]; then printf '%s\n' "$left" | told refused; else echo 'state stopped'; fi
}

case $verb in
    job | task) "$verb" "$@" ;;
    more) # name, offset
        name=${1%%/*}
        printf 'shipline-out %s %s\n' "$(wc -c <"$state/out/$name" | tr -d ' ')" "$name"
        tail -c "+$(($2 + 1))" "$state/out/$name" | head -c "$page"
        ;;
    look | survey | discover | examine | start | logs | lines | start_task | look_task | stop_task)
        answer=$("$verb" "$@" 2>&1) || { code=$? && printf '%s\n' "$answer" >&2 && exit "$code"; }
        answer=$(printf '%s\n' "$answer" | encoded)
        length=${#answer}
        if [ "$page" -gt 0 ] && [ "$length" -gt "$page" ]; then
            # Longer than the answer to one call may be: the rest is asked for.
            prepared "$state/out" || exit 65
            find "$state/out" -type f -mmin +60 -exec rm -f {} +
            name=$(date +%s)-$$
            printf %s "$answer" >"$state/out/$name"
            printf 'shipline-out %s %s\n' "$length" "$name"
            printf %s "$answer" | head -c "$page"
        else
            printf 'shipline-out %s -\n%s' "$length" "$answer"
        fi
        ;;
    *) exit 64 ;;
esac
