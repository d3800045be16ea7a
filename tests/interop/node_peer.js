// The other side of the table: the Node library ws.
//
//   node_peer.js server ['{"cert": FILE, "key": FILE, "ca": FILE, ...}']   an echo server; first line "port NUMBER"
//   node_peer.js client URL TEXT ['{"ca": FILE, ...}']                     sends TEXT, prints the answer
//
// Values that name a file stand for what is in it; the rest goes to https.createServer and to ws as it is.
const fs = require('fs');
const https = require('https');
const http = require('http');
const { WebSocket, WebSocketServer } = require('ws');

function options(text) {
  const read = JSON.parse(text || '{}');
  for (const name of ['cert', 'key', 'ca']) {
    if (read[name]) read[name] = fs.readFileSync(read[name]);
  }
  return read;
}

function serve(settings) {
  const server = settings.cert ? https.createServer(settings) : http.createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: true });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
}

function ask(url, text, settings) {
  const socket = new WebSocket(url, settings);
  socket.on('open', () => socket.send(text));
  socket.on('message', (data) => {
    console.log(data.toString());
    socket.close(1000, 'thank you');
  });
  socket.on('close', (code) => { console.error(`closed ${code}`); });
  socket.on('error', (error) => { console.error(error.message); process.exitCode = 1; });
}

const [, , role, ...rest] = process.argv;
if (role === 'server') serve(options(rest[0]));
else ask(rest[0], rest[1], options(rest[2]));
