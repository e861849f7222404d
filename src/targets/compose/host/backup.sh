# Copies of SQLite databases, made while they are in use.

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
