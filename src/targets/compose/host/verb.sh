# What was asked for. The last part: everything it calls stands before it.

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
