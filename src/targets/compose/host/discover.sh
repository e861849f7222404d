# What a compose file names.

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
