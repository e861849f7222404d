# Two images from one build: `action` (the default, what action.yml runs) and `bot`.
#
# No `# syntax=` line and nothing that needs one: GitHub's runners, `act` and engines
# without a registry in reach must all be able to build this file, also without BuildKit.

# Debian 13 is the first release with packages of the Docker client and of buildx.
ARG BASE_IMAGE=debian:trixie-slim
# May be an image that brings Rust (`rust:1.95-slim-bookworm`); otherwise rustup comes from Debian.
ARG RUST_IMAGE=${BASE_IMAGE}

# --- the programs the action calls, with the libraries they need and nothing else ---
FROM ${BASE_IMAGE} AS tools
RUN apt-get -qq update \
    && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        ca-certificates docker-buildx docker-cli git tzdata
# Debian's git wants perl, and a base image wants a package manager: the action needs neither.
# git's subcommands are built into the one binary; only those for remotes are separate.
RUN set -eu; \
    out=/out; \
    mkdir -p "$out/etc/ssl/certs" "$out/usr/share" "$out/root"; \
    mkdir -m 1777 "$out/tmp"; \
    for program in /usr/bin/docker /usr/bin/git /usr/libexec/docker/cli-plugins/docker-buildx; do \
        for file in "$program" $(ldd "$program" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }'); do \
            mkdir -p "$out$(dirname "$file")"; \
            cp -L "$file" "$out$file"; \
        done; \
    done; \
    cp /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/"; \
    cp -a /usr/share/zoneinfo "$out/usr/share/"; \
    printf 'root:x:0:0:root:/root:/nonexistent\nshipline:x:65532:65532:shipline:/data:/nonexistent\n' >"$out/etc/passwd"; \
    printf 'root:x:0:\nshipline:x:65532:\n' >"$out/etc/group"; \
    printf 'hosts: files dns\n' >"$out/etc/nsswitch.conf"

# --- the two binaries, static ---
FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
# Releases and CI compile once and put the result into dist/, so that building the image, which
# GitHub's runner repeats in every job of a repository that uses `image: Dockerfile`, takes
# seconds. Without dist/ (a branch, a fork) the sources are compiled here.
# `--target` keeps crt-static away from build scripts and macros, which cannot be static.
RUN set -eu; \
    mkdir -p /out; \
    if [ -x dist/shipline ] && [ -x dist/shipline-bot ]; then \
        cp dist/shipline dist/shipline-bot /out/; \
        exit 0; \
    fi; \
    if ! command -v cargo >/dev/null; then \
        apt-get -qq update; \
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
            ca-certificates gcc libc6-dev rustup; \
    fi; \
    channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml); \
    if command -v rustup >/dev/null; then \
        rustup toolchain install --profile minimal "$channel"; \
        export RUSTUP_TOOLCHAIN="$channel"; \
    fi; \
    host=$(rustc -vV | sed -n 's/^host: //p'); \
    RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --release --locked --target "$host" -p shipline -p shipline-bot; \
    cp "target/$host/release/shipline" "target/$host/release/shipline-bot" /out/

# --- files of the bot image: no shell, no package manager, one writable folder ---
FROM ${BASE_IMAGE} AS bot-files
COPY --from=tools /out/etc /out/etc
COPY --from=tools /out/usr/share/zoneinfo /out/usr/share/zoneinfo
RUN mkdir -p /out/data && mkdir -m 1777 /out/tmp && chown 65532:65532 /out/data

FROM scratch AS bot
COPY --from=bot-files /out /
COPY --from=build /out/shipline-bot /usr/local/bin/shipline-bot
ENV SHIPLINE_LISTEN=0.0.0.0:8080 \
    SHIPLINE_DATABASE_URL=sqlite:///data/shipline.db
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
# No HEALTHCHECK: there is no shell and no other program to ask with. GET /healthz and /readyz are for
# the load balancer or the orchestrator (docs/bot.md).
ENTRYPOINT ["/usr/local/bin/shipline-bot"]
CMD ["serve"]

# --- the action; last, so that it is what `image: Dockerfile` builds ---
# Root, because it needs the runner's Docker socket and the workspace the runner owns.
FROM scratch AS action
COPY --from=tools /out /
COPY --from=build /out/shipline /usr/local/bin/shipline
ENV PATH=/usr/local/bin:/usr/bin
# The binary itself: inputs arrive as INPUT_AWS-REGION and the like, and a shell in
# between drops variables whose names have a hyphen.
ENTRYPOINT ["/usr/local/bin/shipline", "action"]
