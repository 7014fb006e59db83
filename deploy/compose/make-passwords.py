#!/usr/bin/env python3
"""Makes up the passwords of docker-compose.yml, each once: make-passwords.py FOLDER, as root

    grafana/admin-password          of the user `admin`
    postgres/password               of the user `outrigger`; the same in outrigger/postgres-password
    redis/password.conf             a line of its configuration; the same in outrigger/redis-url

Each file belongs to the user of the one container that reads it, with mode 0400, in a folder that only he may enter. What is there
stays as it is: `docker compose down --volumes` removes them together with the data they protect.
"""

import os
import pathlib
import secrets
import sys

# User and group in each image.
OWNERS = {"grafana": (472, 0), "postgres": (70, 70), "redis": (999, 1000), "outrigger": (65532, 65532)}


def once(folder, name, text):
    """What the file holds; written where it is not there, whole or not at all."""
    path = folder / name
    if path.exists():
        return path.read_text(encoding="ascii")
    owner = OWNERS[path.parent.name]
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700)
        os.chown(path.parent, *owner)
    draft = folder / ".draft"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="ascii") as file:
        file.write(text)
    os.chown(draft, *owner)
    draft.rename(path)
    print(f"made {name}")
    return text


def main():
    folder = pathlib.Path(sys.argv[1])
    once(folder, "grafana/admin-password", secrets.token_urlsafe(24))
    postgres = once(folder, "postgres/password", secrets.token_urlsafe(24))
    once(folder, "outrigger/postgres-password", postgres)
    redis = once(folder, "redis/password.conf", f"requirepass {secrets.token_urlsafe(24)}\n")
    once(folder, "outrigger/redis-url", f"redis://:{redis.split()[1]}@redis:6379/0")


if __name__ == "__main__":
    main()
