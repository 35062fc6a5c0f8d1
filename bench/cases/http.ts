import * as http from '../contenders/http.ts';
import type { Case } from '../harness.ts';

export const httpHello: Case = {
  name: 'http',
  about: `A server answers 'hello world' to wrk (one thread, 50 connections, keep-alive), which counts the answers; a sample is
a second. The baseline is bare node:http. form tells what the handler takes and gives; req-res and request answer by the
same bytes, platform-response makes the platform's own Response, which alone costs more than half of a bare request.`,
  groups({ quick }) {
    return [
      {
        params: { connections: 50 },
        unit: 'ns/request',
        contenders: [
          http.bare(),
          http.engine('req-res'),
          http.engine('request'),
          http.engine('platform-response'),
          http.pywsgi(),
        ],
        samples: quick ? 5 : 15,
      },
    ];
  },
};

export const httpStream: Case = {
  name: 'http-stream',
  about: `Answers that are written in pieces, to wrk as in the case http: 16 of 1 KB, 16 Server-Sent Events, 16 of 64 KB, which is more than
Node takes at once. The baseline is node:http in an async function that waits for 'drain' by a promise, as one writes it by hand;
it knows nothing of clients that leave.`,
  groups({ quick }) {
    return (Object.keys(http.STREAMS) as (keyof typeof http.STREAMS)[]).map((form) => ({
      params: { form },
      unit: 'ns/request',
      contenders: [http.bareStream(form), http.engineStream(form)],
      samples: quick ? 5 : 15,
    }));
  },
};
