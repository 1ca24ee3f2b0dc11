# The binary of every role: `docker build -t REGISTRY/anshin:VERSION .`, or `buildah bud` likewise.

# The Rust that rust-toolchain.toml names. That file itself stays outside: rustup would fetch clippy and rustfmt too.
FROM rust:1.95.0-slim-bookworm AS build
# What the C parts of crates need; scripts/set-up says what each is for. Debian keeps only the newest of its packages.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ gcc libc6-dev libssl-dev make pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package server

# bookworm-slim, as of that point release.
FROM debian:12.12-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/anshin /usr/local/bin/anshin
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/anshin"]
