// Bun's own server, with the compressor that its connections share. Its backlog cannot be set.
import { LIMIT, listening, options } from './options.mjs';

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: options.port,
  tls: options.cert && { cert: Bun.file(options.cert), key: Bun.file(options.key) },
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response('a WebSocket server', { status: 426 });
  },
  websocket: {
    maxPayloadLength: LIMIT,
    backpressureLimit: LIMIT,
    perMessageDeflate: options.deflate && { compress: 'shared', decompress: 'shared' },
    open: options.broadcast ? (ws) => ws.subscribe('all') : undefined,
    message: options.broadcast
      ? (ws, message) => server.publish('all', message, options.deflate)
      : (ws, message) => ws.send(message, options.deflate),
  },
});
listening();
