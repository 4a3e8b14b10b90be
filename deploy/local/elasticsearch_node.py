"""Becomes an Elasticsearch node: loads Java into this process and starts the node's own classes."""

import argparse
import signal
import threading
from pathlib import Path
from typing import Any


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    options = _options()
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    node = _start(options)
    over.wait()
    node.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("folder", "jars", "library", "heap", "http", "transport"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--java", action="append", default=[], help="an option of Java")
    return parser.parse_args()


def _start(options: argparse.Namespace) -> Any:
    import jpype

    jars = Path(options.jars)
    jpype.startJVM(
        options.library,
        f"-Xmx{options.heap}",
        # One machine for everything: as little processor time as can be, pauses do not matter.
        "-XX:+UseParallelGC",
        *options.java,
        # Signals are this Python's business.
        "-Xrs",
        "--enable-native-access=ALL-UNNAMED",
        classpath=[str(jar) for jar in sorted((jars / "elasticsearch").glob("*.jar"))],
        convertStrings=False,
    )
    paths = jpype.JClass("java.nio.file.Path")
    configuration = Path(options.folder) / "config"
    settings = jpype.JClass("org.elasticsearch.common.settings.Settings").builder()
    for key, value in _settings(options).items():
        settings.put(key, value)
    environment = jpype.JClass("org.elasticsearch.env.Environment")(
        settings.build(), paths.of(str(configuration))
    )
    logging = jpype.JClass("org.elasticsearch.common.logging.LogConfigurator")
    logging.configureWithoutConfig(environment.settings())
    loader = jpype.JClass("org.elasticsearch.plugins.PluginsLoader")
    modules = loader.loadModulesBundles(paths.of(str(jars / "modules")), False)
    nothing, no_exports = jpype.JClass("java.util.Set").of(), jpype.JClass("java.util.Map").of()
    # On a class path the server is no Java module, so it has no exports to add to.
    plugins = loader.createPluginsLoader(modules, nothing, no_exports, False)
    node = jpype.JClass("org.elasticsearch.node.Node")(environment, plugins)
    return node.start()


def _settings(options: argparse.Namespace) -> dict[str, str]:
    return {
        "path.home": options.folder,
        "path.data": f"{options.folder}/data",
        "path.logs": f"{options.folder}/logs",
        "cluster.name": "citysoc-local",
        "node.name": "local",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": options.http,
        "transport.port": options.transport,
        # A laptop's disk is often nearly full; citysoc watches the space itself.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        "cluster.max_shards_per_node": "5000",
        # This collector lets garbage lie: what is in use, not what lies there, is to be bounded.
        "indices.breaker.total.use_real_memory": "false",
    }


if __name__ == "__main__":
    main()
