// ws as a client: ws-client.mjs PORT firehose|pingpong SIZE SECONDS
import WebSocket from 'ws';

const [port, mode, size, seconds] = process.argv.slice(2);
const payload = Buffer.alloc(Number(size), 'a');
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};
let messages = 0;
let warm = false;
let began = performance.now();
let used = cpu();

function report(elapsed) {
  const result = {
    client: 'ws',
    mode,
    size: payload.length,
    msgs_per_s: Number(((messages / elapsed) * 1e3).toFixed(1)),
    cpu_ns_per_msg: Number(((cpu() - used) / messages).toFixed(1)),
  };
  console.log(JSON.stringify(result));
  process.exit();
}

const ws = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false, allowSynchronousEvents: true });
const ping = () => mode === 'pingpong' && ws.send(payload);
ws.on('open', ping);
ws.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
ws.on('message', () => {
  // The clock would cost more than some libraries' messages.
  if (++messages % 32 === 0) {
    const elapsed = performance.now() - began;
    if (!warm && elapsed > 500) [warm, began, used, messages] = [true, performance.now(), cpu(), 0];
    else if (warm && elapsed > Number(seconds) * 1e3) report(elapsed);
  }
  ping();
});
