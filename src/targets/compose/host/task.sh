# One-off commands in the new image.

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
