// ws on Node, with bufferutil, which ws takes when it is there.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { WebSocketServer } from 'ws';
import { LIMIT, listening, options } from './options.mjs';

const server = options.cert
  ? https.createServer({ cert: readFileSync(options.cert), key: readFileSync(options.key), noDelay: true })
  : http.createServer({ noDelay: true });
const wss = new WebSocketServer({
  server,
  maxPayload: LIMIT,
  perMessageDeflate: options.deflate && {
    threshold: 0,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    zlibDeflateOptions: { level: 1 },
  },
});

wss.on('connection', (ws) => {
  ws.on('error', () => ws.terminate());
  ws.on('message', (data, binary) => {
    if (options.broadcast) for (const client of wss.clients) client.send(data, { binary });
    else ws.send(data, { binary });
  });
});
server.listen({ host: '127.0.0.1', port: options.port, backlog: 4096 }, listening);
