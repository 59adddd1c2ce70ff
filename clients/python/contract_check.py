"""The connector, called from Python: connect, upload, publish, watch, and read why a call was refused.

Knows nothing but the .proto files and service-config.json: generates its stubs from them into a temporary folder. Needs grpcio,
protobuf and a compiler for .proto files (protoc 3.15 or later), and a service with a sandbox for TikTok, where it posts. Prints one
JSON object.
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import uuid

import google
import grpc

WORKSPACE = "ws_python"
CHUNK_BYTES = 64 * 1024  # the service takes up to 4 MiB in a message


def compiler(protos: pathlib.Path) -> list[str]:
    """The first command that understands the protos: protoc with its gRPC plugin, or grpcio-tools, which brings both."""
    plugin = shutil.which("grpc_python_plugin")
    candidates = [[sys.executable, "-m", "grpc_tools.protoc"]]
    if plugin is not None:
        candidates.insert(0, ["protoc", f"--plugin=protoc-gen-grpc_python={plugin}"])
    for command in candidates:
        try:
            # analytics.proto has `optional` fields, which compilers before 3.15 refuse.
            attempt = [*command, f"--proto_path={protos}", "--descriptor_set_out=/dev/null", "glowtify/tiktok/v1/analytics.proto"]
            if subprocess.run(attempt, capture_output=True).returncode == 0:
                return command
        except FileNotFoundError:
            continue
    raise SystemExit("no protoc 3.15 or later with a plugin for Python: install grpcio-tools, or protoc and grpc_python_plugin")


def generate(protos: pathlib.Path, folder: str) -> None:
    """Makes the stubs, and lets Python find them: `google` is a package of protobuf's own, which they join."""
    files = [str(each.relative_to(protos)) for each in sorted(protos.rglob("*.proto"))]
    options = [f"--proto_path={protos}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    subprocess.run([*compiler(protos), *options, *files], check=True)
    sys.path.insert(0, folder)
    google.__path__.append(f"{folder}/google")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--server", help="HOST:PORT of the gRPC port. Without it: only looks whether all that is needed is here")
    arguments.add_argument("--proto", required=True, type=pathlib.Path, help="the folder proto/ of the connector")
    arguments.add_argument("--video", type=pathlib.Path)
    arguments.add_argument("--account", default="glow.bakery", help="an account of the sandbox")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generate(given.proto, folder)
        if given.server is None:
            return
        # Repeats on UNAVAILABLE, where that is harmless, and gives every call its deadline.
        options = [("grpc.service_config", (given.proto / "service-config.json").read_text())]
        with grpc.insecure_channel(given.server, options) as channel:
            print(json.dumps(story(channel, given.video.read_bytes(), given.account)))


def story(channel: grpc.Channel, video: bytes, account: str) -> dict:
    from glowtify.tiktok.v1 import connection_service_pb2 as connection
    from glowtify.tiktok.v1 import connection_service_pb2_grpc as connection_grpc
    from glowtify.tiktok.v1 import post_pb2 as post_types
    from glowtify.tiktok.v1 import post_service_pb2 as post
    from glowtify.tiktok.v1 import post_service_pb2_grpc as post_grpc
    from glowtify.tiktok.v1 import video_service_pb2 as video_types
    from glowtify.tiktok.v1 import video_service_pb2_grpc as video_grpc

    connections = connection_grpc.ConnectionServiceStub(channel)
    videos = video_grpc.VideoServiceStub(channel)
    posts = post_grpc.PostServiceStub(channel)

    started = connections.StartConnection(connection.StartConnectionRequest(workspace_id=WORKSPACE))
    # A person does this in a browser; the sandbox lets a script agree.
    urllib.request.urlopen(f"{started.authorize_uri}&auto_consent={account}").read()
    listed = connections.ListConnections(connection.ListConnectionsRequest(workspace_id=WORKSPACE))
    (connected,) = listed.connections

    def messages():
        metadata = video_types.UploadVideoMetadata(
            workspace_id=WORKSPACE, file_name="python.mp4", size_bytes=len(video), sha256=hashlib.sha256(video).hexdigest()
        )
        yield video_types.UploadVideoRequest(metadata=metadata)
        for at in range(0, len(video), CHUNK_BYTES):
            yield video_types.UploadVideoRequest(chunk=video[at : at + CHUNK_BYTES])

    uploaded = videos.UploadVideo(messages()).video

    # The watch is open once its headers are here: nothing that happens from now on is missed.
    watch = posts.WatchPosts(post.WatchPostsRequest(workspace_id=WORKSPACE))
    watch.initial_metadata()
    request = post.PublishPostRequest(
        workspace_id=WORKSPACE,
        connection_id=connected.connection_id,
        request_id=str(uuid.uuid4()),
        destination="tiktok",
        caption="From Python",
        video_id=uploaded.video_id,
        settings=post_types.PostSettings(privacy_level=post_types.PRIVACY_LEVEL_SELF_ONLY),
    )
    accepted = posts.PublishPost(request)
    replayed = posts.PublishPost(request)
    states = []
    for message in watch:
        states.append(post_types.PostState.Name(message.event.post.state))
        if message.event.post.state in (post_types.POST_STATE_PUBLISHED, post_types.POST_STATE_FAILED):
            break
    watch.cancel()

    request.request_id = str(uuid.uuid4())
    request.caption = "x" * 2201
    request.settings.privacy_level = post_types.PRIVACY_LEVEL_UNSPECIFIED
    try:
        posts.PublishPost(request)
        raise SystemExit("a caption that is too long was taken")
    except grpc.RpcError as error:
        refusal = described(error)
    return {
        "sha256": uploaded.sha256,
        "post_id": accepted.post.post_id,
        "replayed": [replayed.post.post_id, replayed.replayed],
        "states": states,
        "refusal": refusal,
    }


def described(error: grpc.RpcError) -> dict:
    """What the service says of a call that failed: https://google.aip.dev/193."""
    from glowtify.tiktok.v1 import publish_error_pb2
    from google.rpc import error_details_pb2, status_pb2

    trailer = dict(error.trailing_metadata())["grpc-status-details-bin"]
    parts = {}
    for detail in status_pb2.Status.FromString(trailer).details:
        for kind in (
            error_details_pb2.ErrorInfo,
            error_details_pb2.BadRequest,
            error_details_pb2.LocalizedMessage,
            publish_error_pb2.Finding,
        ):
            part = kind()
            if detail.Unpack(part):
                parts.setdefault(kind.DESCRIPTOR.name, []).append(part)
    (info,) = parts["ErrorInfo"]
    return {
        "code": error.code().name,
        "reason": info.reason,
        "domain": info.domain,
        "remedy": info.metadata["remedy"],
        "message": parts["LocalizedMessage"][0].message,
        "fields": [each.field for each in parts["BadRequest"][0].field_violations],
        "findings": [each.code for each in parts["Finding"]],
    }


if __name__ == "__main__":
    main()
