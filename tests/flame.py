#!/usr/bin/env python3
"""The flame graph of `make profile`: from what perf prints to boxes of the right width, above those they belong to."""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "benches"))
import flame
import profiler

LIB = "/somewhere/libwsock.so"
SENDING = f"""
\tffffffff81e2974f tcp_sendmsg ([kernel.kallsyms])
\tffffffff821ea011 do_syscall_64 ([kernel.kallsyms])
\t          10ac10 __libc_sendmsg (/usr/lib/x86_64-linux-gnu/libc.so.6)
\t          202899 wsock::driver::settle::<impl wsock::driver::core::Core>::settle ({LIB})
\t            271b main (/somewhere/echo_server)
\t           27249 __libc_start_call_main (/usr/lib/x86_64-linux-gnu/libc.so.6)
"""
RECEIVING = f"""
\t          1f1147 wsock::proto::conn::receive::recv<a;b> ({LIB})
\t            271b main (/somewhere/echo_server)
"""
SETTLE = "library|wsock::driver::settle::settle"


def main():
    stacks = profiler.fold("\n".join([SENDING, RECEIVING, SENDING, SENDING]))
    assert stacks == {
        ("program|main", SETTLE, "libc|__libc_sendmsg", "kernel|tcp_sendmsg"): 3,
        ("program|main", "library|wsock::proto::conn::receive::recv<a,b>"): 1,
    }, stacks

    image = ElementTree.fromstring("".join(flame.draw("a <title>", stacks.items())))
    boxes = {group[0].text: group[1].attrib for group in image.iter("{http://www.w3.org/2000/svg}g")}
    whole, most = boxes["main (100.0%)"], boxes["wsock::driver::settle::settle (75.0%)"]
    assert abs(float(most["width"]) / float(whole["width"]) - 0.75) < 0.01, boxes
    assert float(most["y"]) == float(whole["y"]) - flame.ROW, boxes
    assert whole["fill"] != most["fill"], "the application is not the library"
    print("flame graph: right")


if __name__ == "__main__":
    main()
