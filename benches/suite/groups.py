"""How configurations are shown together, in tables and plots: a name for files, a heading, and columns."""

GROUPS = [
    ("small", "Small messages: echo", {
        "echo-125": "125 B", "echo-1k": "1 KiB", "echo-125-c1000": "125 B, 1000 connections",
        "echo-1k-c1000": "1 KiB, 1000 connections", "echo-125-d16": "125 B, 16 on the way",
        "echo-1k-d16": "1 KiB, 16 on the way"}),
    ("large", "Large messages and text: echo", {
        "echo-16k": "16 KiB", "echo-64k": "64 KiB", "echo-1m": "1 MiB, 16 connections",
        "text-ascii": "text of 1 KiB, ASCII", "text-mixed": "text of 1 KiB, 1 to 4 bytes a character",
        "beside-idle": "125 B beside 10,000 idle connections"}),
    ("more", "Handshakes, broadcast, TLS, compression", {
        "handshake": "handshake", "broadcast": "125 B to 1000, per delivery", "tls-1k": "TLS, 1 KiB",
        "tls-1k-d16": "TLS, 1 KiB, 16 on the way", "deflate-1k": "permessage-deflate, 1 KiB of JSON"}),
    ("clients", "Clients", {
        "client-125": "125 B as fast as they come", "client-1k": "1 KiB as fast as they come",
        "client-64k": "64 KiB as fast as they come", "client-pingpong": "1 KiB there and back"}),
    ("loops", "Two loops on two threads, against one loop", {
        "loops-125": "125 B", "loops-125-d16": "125 B, 16 on the way"}),
    ("memory", "Bytes per idle connection, after an echo of 1 KiB", {
        "idle-plain": "plain", "idle-tls": "TLS", "idle-deflate": "permessage-deflate"}),
]


def shown(table):
    """The groups as far as they were measured: (file, heading, {configuration: column}, [sides])."""
    for file, heading, columns in GROUPS:
        columns = {name: column for name, column in columns.items() if name in table}
        if columns:
            yield file, heading, columns, ranked(table, columns)


def ranked(table, columns):
    """The sides of some configurations by name and title: reference and its double first, then the cheapest."""
    def rank(name):
        records = [table[config][name] for config in columns if name in table[config]]
        if name.startswith("limit") and name != "limit_tcp" or name == "wsock_one":
            return (0, 0.0)
        if name == "again":
            return (1, 0.0)
        ratios = [sample.get("ratio") or 1 / max(sample["figure"], 1) for record in records for sample in record["samples"]]
        return (2, -sum(ratios) / len(ratios) if ratios else 0.0)

    sides = {name: record for config in columns for name, record in table[config].items()}
    return {name: title(sides[name]) for name in sorted(sides, key=rank)}


def title(record):
    return record["title"] + (f" {record['version']}" if record["version"] else "")
