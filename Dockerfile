# syntax=docker/dockerfile:1
# One binary with everything embedded, on an image without a shell or a package manager.

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked \
 && cp target/release/outrigger /outrigger \
 && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /outrigger /usr/local/bin/outrigger
# A named volume takes over the owner of the folder it is mounted on.
COPY --from=build --chown=nonroot:nonroot /data /data
VOLUME /data
EXPOSE 9797
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["/usr/local/bin/outrigger", "query", "up"]
ENTRYPOINT ["/usr/local/bin/outrigger"]
CMD ["run", "--data", "/data"]
