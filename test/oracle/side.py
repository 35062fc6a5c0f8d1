"""Runs texts on gevent and tells what each wrote to its log. Started by original.ts; reads one job as JSON from stdin.

    {"texts": [{"text": "...", "main": false}, ...], "unit": 0.01, "each": 1, "distinct": false}

`each` texts share a process forked for them (and so a hub); what fails there, or takes too long, fails alone. Answers one line
of JSON a text, in order: {"lines": [...]} or {"error": "..."}.
"""
import errno
import gc
import json
import os
import signal
import sys
import textwrap
import traceback
import warnings

import gevent
import gevent.event
import gevent.hub
import gevent.local
import gevent.lock
import gevent.pool
import gevent.pywsgi
import gevent.queue
import gevent.select
import gevent.server
import gevent.socket
import gevent.libev.corecext as libev
import greenlet as primitive

SECONDS_A_FORK = 20


class Oops(Exception):
    pass


class Other(Exception):
    pass


def shown(value):
    """One value of a trace: the same text as `shown` in scenario.ts makes of its counterpart."""
    if value is None:
        return 'none'
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode('latin1')
    if isinstance(value, (list, tuple)):
        return '[' + ' '.join(map(shown, value)) + ']'
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, gevent.hub.Hub):
        return 'hub'
    if isinstance(value, primitive.greenlet):
        return 'greenlet'
    if isinstance(value, (Oops, Other)):
        return '%s(%s)' % (type(value).__name__, value)
    if isinstance(value, gevent.timeout.Timeout):
        return 'Timeout'
    if isinstance(value, gevent.socket.timeout) and value.errno is None:
        return 'timeout'
    if isinstance(value, OSError) and not isinstance(value, gevent.socket.gaierror):
        return errno.errorcode.get(value.errno, type(value).__name__)
    if isinstance(value, BaseException):
        return type(value).__name__
    return repr(value)


def behind(fn):
    """What `fn()` gives in a turn that no notification brought about."""
    gevent.sleep(0)
    return fn()


kept = []


def tried(fn):
    """What `fn()` gives, or the exception it raises; a kill goes on."""
    try:
        return fn()
    except gevent.GreenletExit:
        raise
    except BaseException as e:
        return e


def told(fn):
    """What `fn()` gives, or the exception it raises."""
    try:
        return fn()
    except BaseException as e:
        return e


def pair():
    """Two TCP sockets connected to each other."""
    listener = gevent.socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen(1)
    one = gevent.socket.create_connection(listener.getsockname())
    two, _ = listener.accept()
    listener.close()
    return one, two


def all_of(sock):
    """All that comes until the end of the stream, or an error."""
    parts = []
    while True:
        try:
            data = sock.recv(65536)
        except OSError as e:
            return parts + [e]
        if not data:
            return b''.join(parts)
        parts.append(data)


def talk(server, *pieces):
    """What a server of HTTP answers to bytes, sent piece by piece, until it closes; a number is a pause, None the end."""
    sock = gevent.socket.create_connection(('127.0.0.1', server.server_port))
    sock.settimeout(2)
    parts = []

    def receive():
        while True:
            try:
                data = sock.recv(65536)
            except OSError as e:
                return parts.append(('<%s>' % shown(e)).encode())
            if not data:
                return
            parts.append(data)

    receiver = gevent.spawn(receive)
    try:
        for piece in pieces:
            if piece is None:
                sock.shutdown(gevent.socket.SHUT_WR)
            elif isinstance(piece, (int, float)):
                gevent.sleep(piece)
            else:
                sock.sendall(piece.encode('latin1'))
    except OSError:
        pass
    receiver.join()
    sock.close()
    return 'http ' + json.dumps(b''.join(parts).decode('latin1'))


def run(text, main, unit):
    lines = []

    def log(*what):
        lines.append(' '.join(map(shown, what)))

    hub = gevent.get_hub()
    hub.print_exception = lambda context, kind, value, tb: log('reported', value)
    names = dict(log=log, told=told, tried=tried, behind=behind, T=unit, Oops=Oops, Other=Other, hub=hub, gevent=gevent)
    names.update(pair=pair, all_of=all_of, talk=talk, socket=gevent.socket, select=gevent.select)
    names.update((name, getattr(gevent.server, name)) for name in gevent.server.__all__)
    names.update(WSGIServer=gevent.pywsgi.WSGIServer, ConcurrentObjectUseError=gevent.exceptions.ConcurrentObjectUseError)
    for module in (gevent.event, gevent.lock, gevent.queue, gevent.pool, gevent.local, gevent):
        names.update((name, getattr(module, name)) for name in module.__all__)
    names.update(greenlet=primitive.greenlet, wait=gevent.wait, Greenlet=gevent.Greenlet)
    # What 22.10 calls SimpleQueue blocks the whole thread. Newer ones are an unbounded Queue without the rest of it.
    names.update(SimpleQueue=gevent.queue.Queue, LoopExit=gevent.hub.LoopExit, PoolFull=gevent.pool.PoolFull)
    exec(compile('def body():\n' + textwrap.indent(textwrap.dedent(text), '    ') + '\n    pass', 'text', 'exec'), names)
    start = names['body'] if main else lambda: gevent.spawn(names['body'])
    for step in (start, hub.join, hub.join, hub.join):
        try:
            step()
        except BaseException as e:  # pylint:disable=broad-except
            log('main got', e)
    if 'at_end' in names:
        names['at_end']()
    result = list(lines)
    # What that has set going is nobody's to see, nor the next one's to share the loop with.
    hub.print_exception = lambda *_: None
    told(hub.join)
    # Whoever still waits must go on waiting: collected it would be killed, and run.
    kept.append(names)
    return result


class Timer(libev.timer):
    """Reads the clock at every start, so that no two deadlines are equal: libev's order of equal ones is a heap's."""

    def start(self, callback, *args, **kwargs):
        kwargs['update'] = True
        return super().start(callback, *args, **kwargs)


class Loop(libev.loop):
    def timer(self, after, repeat=0.0, ref=True, priority=None):
        return Timer(self, after, repeat, ref, priority)


def forked(texts, unit):
    """Answers for `texts`, run in a process of their own; fewer if it died."""
    inside, outside = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(inside)
        signal.alarm(SECONDS_A_FORK)
        with os.fdopen(outside, 'w') as out:
            for one in texts:
                try:
                    answer = {'lines': run(one['text'], one.get('main', False), unit)}
                except BaseException:  # pylint:disable=broad-except
                    answer = {'error': traceback.format_exc()}
                out.write(json.dumps(answer) + '\n')
                out.flush()
        os._exit(0)
    os.close(outside)
    with os.fdopen(inside) as answers:
        got = [line for line in answers.read().split('\n') if line]
    _, status = os.waitpid(pid, 0)
    return got, status


def main():
    warnings.simplefilter('ignore')
    job = json.load(sys.stdin)
    texts, unit, each = job['texts'], job['unit'], job['each']
    if job['distinct']:
        gevent.config.loop = Loop
    # A pass of the loop is never cut short: where it would be cut depends on the machine.
    gevent.setswitchinterval(1000)
    gc.disable()
    at = 0
    while at < len(texts):
        got, status = forked(texts[at:at + each], unit)
        if len(got) < len(texts[at:at + each]):
            got.append(json.dumps({'error': 'ended with status %d (it took too long, if that is 14)' % status}))
        for line in got:
            print(line)
        at += len(got)


main()
