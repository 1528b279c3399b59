"""An SFTP server that lets one user in by a password, in the one way or the other that SSH has for it (RFC 4252, 4256).

First line of its output: its host key as `ssh-keygen -l` prints it. Then a line for each try, with the way it came.
"""

import asyncio
import sys

import asyncssh

PORT, METHOD, USER, PASSWORD, ROOT = sys.argv[1:6]


class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return METHOD == "password"

    def validate_password(self, username, password):
        print("password", flush=True)
        return (username, password) == (USER, PASSWORD)

    def kbdint_auth_supported(self):
        return METHOD == "keyboard-interactive"

    def get_kbdint_challenge(self, username, lang, submethods):
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username, responses):
        print("keyboard-interactive", flush=True)
        return username == USER and responses == [PASSWORD]


class Files(asyncssh.SFTPServer):
    def __init__(self, channel):
        super().__init__(channel, chroot=ROOT)


async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    print("host key", key.get_fingerprint(), flush=True)
    await asyncssh.create_server(
        Server, "127.0.0.1", int(PORT), server_host_keys=[key], sftp_factory=Files, allow_scp=False
    )
    await asyncio.Event().wait()


asyncio.run(main())
