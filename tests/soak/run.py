#!/usr/bin/env python3
"""Let servers and clients churn for minutes, and judge whether memory, descriptors and latency stay where they are."""
import argparse
import json
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benches"))
import judge  # noqa: E402
import picture  # noqa: E402

OUT = ROOT / "target" / "soak"


def make_certificates():
    """Two that take turns, and both as what clients trust."""
    for name in "ab":
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "3650", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", OUT / f"{name}.key", "-out", OUT / f"{name}.pem"], check=True, capture_output=True)
    (OUT / "both.pem").write_text("".join((OUT / f"{name}.pem").read_text() for name in "ab"))


def churn(args):
    """Runs it; its lines go to target/soak/samples.json as they come."""
    make_certificates()
    command = [OUT / "soak", str(args.minutes * 60), str(args.actors), str(args.pause), OUT]
    with (OUT / "samples.json").open("w") as log, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for text in process.stdout:
                log.write(text)
                log.flush()
        except KeyboardInterrupt:
            process.terminate()
            log.write(process.stdout.read())
    if process.returncode:
        sys.exit(f"soak: ended with status {process.returncode}")


def read(path):
    """(before, meanwhile, after)"""
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    if len(lines) < 3 or not lines[-1]["end"]:
        sys.exit("soak: it did not come to its end")
    return lines[0], lines[1:-1], lines[-1]


def tell_trends(trends, samples):
    """Prints the table; whether all is flat."""
    connections = judge.settled(samples)[-1]["connects"] - judge.settled(samples)[0]["connects"]
    print(f"\n{'':12} {'mean':>10} {'grew by':>10} {'+- 99 %':>9} {'allowed':>9} {'noticed':>9}   over the last {1 - judge.WARM_UP:.0%} of the time")
    for trend in trends:
        print(f"{trend.name:12} {trend.mean:10,.0f} {trend.growth:10,.1f} {trend.doubt:9,.1f} {trend.allowed:9,.1f} {trend.noticed:9,.1f} "
              f"{trend.unit:3} {'DRIFTS' if trend.drifts else 'flat'}")
    noticed = trends[0].noticed * 1024 / connections
    print(f"A leak of {noticed:,.0f} bytes per connection would have been noticed ({connections:,} connections).")
    return not any(trend.drifts for trend in trends)


def tell(first, samples, last):
    """Whether all is well."""
    print(f"{last['at'] / 60:.1f} minutes: {last['connects']:,} connections ({last['retries']:,} came back), {last['messages']:,} "
          f"messages compared, {last['bytes'] / 1e9:.2f} GB each way, {last['servers']:,} servers, {last['loops']:,} loops with a "
          f"thread, {last['renewals']:,} certificates renewed, {last['published']:,} messages published, "
          f"{last['shouts']:,} said to everybody, {last['dropped']:,} dropped for want of room")
    for figure, (name, unit, *_) in judge.FIGURES.items():
        print(f"{name:12} {picture.row(samples, figure)} at most {max(sample[figure] for sample in samples):,} {unit}")
    trends = judge.trends(samples)
    flat = tell_trends(trends, samples) if trends else True
    if not trends:
        print("Too short for trends; only what is left at the end is judged.")
    faults = judge.books(first, last)
    print(f"At the end {last['descriptors']} descriptors as before, {last['heap_kib'] - first['heap_kib']:,} KiB more allocated; "
          "every release was called once." if not faults else "At the end: " + "; ".join(faults))
    (OUT / "soak.svg").write_text(picture.page(samples))
    return flat and not faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--actors", type=int, default=24, help="clients that come and go (24)")
    parser.add_argument("--pause", type=int, default=200, help="milliseconds that each rests between two connections (200)")
    parser.add_argument("--judge", type=pathlib.Path, metavar="FILE", help="judge the samples of an earlier soak")
    args = parser.parse_args()
    if not args.judge:
        churn(args)
    if not tell(*read(args.judge or OUT / "samples.json")):
        sys.exit(1)


if __name__ == "__main__":
    main()
