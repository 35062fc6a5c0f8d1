;; The engine of the wasmfx backend: guests on stacks of their own, switched by the engine's stack switching instructions.
;; Records, entries and the protocol with JavaScript are those of asyncify.wat; only what differs is said here.
;;
;;   records    16 bytes a slot:  0 WORKER  its stack, or 0    4 shadow stack pointer to start with, or the function a guest spawned
;;                                8 ENTRY                   12 FLAGS  2 JavaScript is told of its end, instance << 8
;;   args       4 bytes a slot: the argument of a guest that a guest spawned
;;   workers    continuations that take a job, run it, and wait for the next. A fresh stack costs as much as a hundred switches,
;;              and V8 keeps four; so ours are kept here, and a guest that ends leaves its stack to the next that starts.
;;
;; X1  every continuation is in `workers`, or running: one that is dropped is never collected, and its stack lost
;; X2  count is at most limit: at 32 700 stacks V8 aborts the process
;; X3  a worker ends by a trap in its guest, which no code can catch, or by `exit`; JavaScript gives its number back by `fault`
;; X4  nothing here is `switch`, or a handler for it: compiling those aborts V8 14.6
(module
  (type $f (func))
  (type $k (cont $f))
  (import "core" "memory" (memory $core 1))
  (import "core" "words" (global $words i32))
  (import "core" "ring" (global $ring i32))
  (import "core" "take" (func $take (param i32) (result i32)))
  (import "core" "free" (func $free (param i32)))
  (import "js" "grown" (func $grown (param i32)))
  (import "js" "arm" (func $arm (param i32 f64) (result i32)))
  (import "js" "refuse" (func $refuse (param i32)))        ;; throws, always: 0 may not switch, 2 no slot, 3 no stack
  (import "js" "raise" (func $raise (param i32)))
  (import "js" "stack" (func $stack (result i32)))         ;; may there be one more in this thread?
  (import "js" "unstack" (func $unstack))
  (import "waits" "acquire" (func $acquire (param i32 i32 f64) (result i32)))
  (import "waits" "wait" (func $wait (param i32 i32 f64) (result i32)))
  (import "waits" "put" (func $put (param i32 i32 f64 f64) (result i32)))
  (import "waits" "get" (func $get (param i32 i32 i32 f64) (result i32)))
  (import "waits" "unmark" (func $unmark (param i32)))
  (import "waits" "done" (func $done (param i32) (result i32)))
  (import "waits" "notified" (func $notified (param i32) (result i32)))
  (export "memory" (memory $core))                         ;; for waits.wat and asm/waits
  (memory $frames (export "frames") 1)                     ;; 64: arguments and results
  (memory $records (export "records") 1 4096)
  (memory $args 1 1024)
  (memory $next 2 2)                                       ;; 4 bytes a worker: the idle or unused one behind it
  (table $entries (export "entries") 64 funcref)
  (table $refs (export "refs") 16 externref)
  (table $workers 1 32768 (ref null $k))
  (tag $pause (type $f))
  (elem declare func $worker)
  (global $cur (export "cur") (mut i32) (i32.const -1))
  (global $may (export "may") (mut i32) (i32.const 0))
  (global $why (mut i32) (i32.const 0))                    ;; of a pause: 0 yields, 1 parks, 2 the job is done
  (global $throwing (mut i32) (i32.const 0))
  (global $exit (mut i32) (i32.const 0))
  (global $failed (mut i32) (i32.const 0))
  (global $thrown (mut exnref) (ref.null exn))
  (global $room (export "room") (mut i32) (i32.const 4096))
  (global $idle (mut i32) (i32.const 0))                   ;; workers that wait for a job
  (global $unused (mut i32) (i32.const 0))                 ;; numbers of workers that are no more
  (global $top (mut i32) (i32.const 1))
  (global $count (export "live") (mut i32) (i32.const 0))  ;; workers, the idle ones included
  (global $limit (mut i32) (i32.const 0))

  ;; Most stacks; a higher limit than before counts.
  (func (export "limit") (param $stacks i32) (result i32)
    (if (i32.gt_s (local.get $stacks) (global.get $limit)) (then (global.set $limit (local.get $stacks))))
    (i32.const 1))

  ;; ---- workers ------------------------------------------------------------------------------------------------------

  (func $worker
    (loop $again
      (block $failed (result exnref)
        (try_table (catch_all_ref $failed)
          (call_indirect $entries (type $f) (i32.load $records offset=8 (i32.shl (global.get $cur) (i32.const 4)))))
        (global.set $why (i32.const 2))
        (suspend $pause)
        (br_if $again (i32.eqz (global.get $exit)))
        (return))
      (global.set $thrown)
      (global.set $failed (i32.const 1))
      (global.set $why (i32.const 2))
      (suspend $pause)
      (br_if $again (i32.eqz (global.get $exit)))))

  ;; A worker for the guest that starts: its number.
  (func $hire (result i32)
    (local $w i32)
    (if (local.tee $w (global.get $idle))
      (then
        (global.set $idle (i32.load $next (i32.shl (local.get $w) (i32.const 2))))
        (return (local.get $w))))
    (if (i32.ge_s (global.get $count) (global.get $limit)) (then (call $refuse (i32.const 3)) (unreachable)))
    (if (i32.eqz (call $stack)) (then (call $refuse (i32.const 3)) (unreachable)))
    (if (local.tee $w (global.get $unused))
      (then (global.set $unused (i32.load $next (i32.shl (local.get $w) (i32.const 2)))))
      (else
        (local.set $w (global.get $top))
        (if (i32.ge_u (local.get $w) (table.size $workers))
          (then
            (if (i32.lt_s (table.grow $workers (ref.null $k) (table.size $workers)) (i32.const 0))
              (then (call $unstack) (call $refuse (i32.const 3)) (unreachable)))))
        (global.set $top (i32.add (local.get $w) (i32.const 1)))))
    (table.set $workers (local.get $w) (cont.new $k (ref.func $worker)))
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (local.get $w))

  (func $rest (param $w i32)
    (i32.store $next (i32.shl (local.get $w) (i32.const 2)) (global.get $idle))
    (global.set $idle (local.get $w)))

  (func $gone (param $w i32)
    (call $unstack)
    (table.set $workers (local.get $w) (ref.null $k))
    (i32.store $next (i32.shl (local.get $w) (i32.const 2)) (global.get $unused))
    (global.set $unused (local.get $w))
    (global.set $count (i32.sub (global.get $count) (i32.const 1))))

  ;; End idle workers until at most `keep` workers are left.
  (func (export "trim") (param $keep i32)
    (local $w i32)
    (global.set $exit (i32.const 1))
    (loop $more
      (if (i32.and (i32.ne (global.get $idle) (i32.const 0)) (i32.gt_s (global.get $count) (local.get $keep)))
        (then
          (local.set $w (global.get $idle))
          (global.set $idle (i32.load $next (i32.shl (local.get $w) (i32.const 2))))
          (block $paused (result (ref $k))
            (resume $k (on $pause $paused) (table.get $workers (local.get $w)))
            (call $gone (local.get $w))
            (br $more))
          (unreachable))))
    (global.set $exit (i32.const 0)))

  ;; ---- guests -------------------------------------------------------------------------------------------------------

  (func (export "enter") (param $slot i32) (param $entry i32) (param $sp i32) (param $flags i32)
    (local $r i32)
    (local.set $r (i32.shl (local.get $slot) (i32.const 4)))
    (i32.store $records (local.get $r) (i32.const 0))
    (i32.store $records offset=4 (local.get $r) (local.get $sp))
    (i32.store $records offset=8 (local.get $r) (local.get $entry))
    (i32.store $records offset=12 (local.get $r) (local.get $flags)))

  ;; The guest is over, and its worker at rest already, or gone.
  (func $drop (export "drop") (param $slot i32)
    (i32.store $records offset=8 (i32.shl (local.get $slot) (i32.const 4)) (i32.const 0)))

  (func (export "spawn") (param $entry i32) (param $instance i32) (param $fn i32) (param $arg i32) (result i32)
    (local $slot i32) (local $r i32) (local $short i32)
    (local.set $slot (call $take (i32.const 6)))
    (if (i32.lt_s (local.get $slot) (i32.const 0)) (then (call $refuse (i32.const 2)) (unreachable)))
    (if (i32.ge_u (local.get $slot) (global.get $room)) (then (call $grown (local.get $slot))))
    (local.set $short
      (i32.sub (i32.add (i32.shr_u (local.get $slot) (i32.const 14)) (i32.const 1)) (memory.size $args)))
    (if (i32.gt_s (local.get $short) (i32.const 0))
      (then
        (if (i32.lt_s (memory.grow $args (local.get $short)) (i32.const 0))
          (then (call $free (local.get $slot)) (call $refuse (i32.const 2)) (unreachable)))))
    (local.set $r (i32.shl (local.get $slot) (i32.const 4)))
    (i32.store $records (local.get $r) (i32.const 0))
    (i32.store $records offset=4 (local.get $r) (local.get $fn))
    (i32.store $records offset=8 (local.get $r) (local.get $entry))
    (i32.store $records offset=12 (local.get $r) (i32.shl (local.get $instance) (i32.const 8)))
    (i32.store $args (i32.shl (local.get $slot) (i32.const 2)) (local.get $arg))
    (call $push (local.get $slot))
    (local.get $slot))

  ;; Where the thunk of the running guest finds its shadow stack pointer, and may leave it.
  (func (export "block") (result i32)
    (i32.store $frames offset=32 (i32.const 0) (i32.load $records offset=4 (i32.shl (global.get $cur) (i32.const 4))))
    (i32.const 32))
  (func (export "fn") (result i32)
    (i32.load $records offset=4 (i32.shl (global.get $cur) (i32.const 4))))
  (func (export "arg") (result i32)
    (i32.load $args (i32.shl (global.get $cur) (i32.const 2))))

  (func $push (param $slot i32)
    (local $tail i32)
    (local.set $tail (i32.load $core offset=4 (global.get $words)))
    (i32.store $core (i32.add (global.get $ring) (i32.shl (local.get $tail) (i32.const 2))) (local.get $slot))
    (i32.store $core offset=4 (global.get $words)
      (i32.and (i32.add (local.get $tail) (i32.const 1)) (i32.load $core offset=8 (global.get $words)))))

  ;; ---- the loop -----------------------------------------------------------------------------------------------------

  (func $run (export "run") (param $slot i32) (result i32)
    (local $r i32) (local $w i32) (local $k (ref null $k)) (local $head i32) (local $left i32)
    (global.set $may (i32.const 1))
    (loop $next
      (global.set $cur (local.get $slot))
      (local.set $r (i32.shl (local.get $slot) (i32.const 4)))
      (local.set $w (i32.load $records (local.get $r)))
      (if (i32.eqz (local.get $w))
        (then
          (local.set $w (call $hire))
          (i32.store $records (local.get $r) (local.get $w))))
      (block $paused (result (ref $k))
        (resume $k (on $pause $paused) (table.get $workers (local.get $w)))
        (unreachable))
      (local.set $k)
      (table.set $workers (local.get $w) (local.get $k))
      (if (i32.eqz (global.get $why))
        (then (call $push (local.get $slot)))
        (else
          (if (i32.eq (global.get $why) (i32.const 2))
            (then
              (call $rest (local.get $w))
              (i32.store $records (local.get $r) (i32.const 0))
              (if (global.get $failed) (then (call $rethrow)))
              (if (i32.and (i32.load $records offset=12 (local.get $r)) (i32.const 2))
                (then
                  (call $drop (local.get $slot))
                  (global.set $may (i32.const 0))
                  (global.set $cur (i32.const -1))
                  (return (local.get $slot))))
              (call $drop (local.get $slot))
              (call $free (local.get $slot))))))
      (block $leave (loop $pop
        (local.set $head (i32.load $core (global.get $words)))
        (br_if $leave (i32.eq (local.get $head) (i32.load $core offset=4 (global.get $words))))
        (br_if $leave (i32.le_s (local.tee $left (i32.load $core offset=12 (global.get $words))) (i32.const 0)))
        (local.set $slot (i32.load $core (i32.add (global.get $ring) (i32.shl (local.get $head) (i32.const 2)))))
        (if (i32.lt_u (local.get $slot) (global.get $room))
          (then (br_if $leave (i32.eqz (i32.load $records offset=8 (i32.shl (local.get $slot) (i32.const 4))))))
          ;; The turn of a row's notifier; a hole is JavaScript's.
          (else (br_if $leave (i32.ge_s (i32.sub (local.get $slot) (i32.const 1)) (i32.const 0)))))
        (i32.store $core offset=12 (global.get $words) (i32.sub (local.get $left) (i32.const 1)))
        (i32.store $core (global.get $words)
          (i32.and (i32.add (local.get $head) (i32.const 1)) (i32.load $core offset=8 (global.get $words))))
        (br_if $next (i32.ge_s (local.get $slot) (i32.const 0)))
        (br_if $next (i32.ge_s (local.tee $slot (call $notified (i32.xor (local.get $slot) (i32.const -1)))) (i32.const 0)))
        (br_if $pop (i32.eq (local.get $slot) (i32.const -1)))
        (i32.store $core offset=12 (global.get $words) (local.get $left))
        (i32.store $core (global.get $words) (local.get $head)))))
    (global.set $may (i32.const 0))
    (global.set $cur (i32.const -1))
    (i32.const -1))

  (func $rethrow
    (local $e exnref)
    (local.set $e (global.get $thrown))
    (global.set $thrown (ref.null exn))
    (global.set $failed (i32.const 0))
    (throw_ref (local.get $e)))

  (func (export "runOne") (param $slot i32) (result i32)
    (local $budget i32) (local $ended i32)
    (local.set $budget (i32.load $core offset=12 (global.get $words)))
    (i32.store $core offset=12 (global.get $words) (i32.const 0))
    (local.set $ended (call $run (local.get $slot)))
    (i32.store $core offset=12 (global.get $words) (local.get $budget))
    (local.get $ended))

  (func (export "throwing") (global.set $throwing (i32.const 1)))

  ;; A guest with a worker still in its record has trapped: the worker is gone with it. X3
  (func (export "fault") (result i32)
    (local $slot i32) (local $w i32)
    (local.set $slot (global.get $cur))
    (if (i32.ge_s (local.get $slot) (i32.const 0))
      (then
        (if (local.tee $w (i32.load $records (i32.shl (local.get $slot) (i32.const 4))))
          (then (call $gone (local.get $w))))))
    (global.set $may (i32.const 0))
    (global.set $throwing (i32.const 0))
    (global.set $cur (i32.const -1))
    (local.get $slot))

  ;; ---- what guests call ---------------------------------------------------------------------------------------------

  (func $away (param $why i32)
    (global.set $why (local.get $why))
    (suspend $pause)
    (call $raised))

  (func $raised
    (if (global.get $throwing)
      (then
        (global.set $throwing (i32.const 0))
        (call $raise (global.get $cur)))))

  (func (export "yield")
    (if (i32.eqz (global.get $may)) (then (call $refuse (i32.const 0)) (unreachable)))
    (call $away (i32.const 0)))

  (func (export "sleep") (param $seconds f64)
    (if (i32.eqz (global.get $may)) (then (call $refuse (i32.const 0)) (unreachable)))
    (call $away (call $arm (global.get $cur) (local.get $seconds))))

  ;; As in asyncify.wat, but that it comes back to where it left.
  (func $waited (param $result i32) (result i32)
    (if (i32.ne (local.get $result) (i32.const -1001)) (then (return (local.get $result))))
    (global.set $why (i32.const 1))
    (suspend $pause)
    ;; One that is to be raised in gets nothing.
    (if (global.get $throwing) (then (call $unmark (global.get $cur)) (call $raised)))
    (call $done (global.get $cur)))

  (func (export "semaphore_acquire") (param $instance i32) (param $handle i32) (param $timeout f64) (result i32)
    (call $waited (call $acquire (local.get $instance) (local.get $handle) (local.get $timeout))))

  (func (export "channel_put") (param $instance i32) (param $handle i32) (param $item f64) (param $timeout f64) (result i32)
    (call $waited (call $put (local.get $instance) (local.get $handle) (local.get $item) (local.get $timeout))))

  (func (export "channel_get") (param $instance i32) (param $handle i32) (param $out i32) (param $timeout f64) (result i32)
    (call $waited (call $get (local.get $instance) (local.get $handle) (local.get $out) (local.get $timeout))))

  (func (export "event_wait") (param $instance i32) (param $handle i32) (param $timeout f64) (result i32)
    (call $waited (call $wait (local.get $instance) (local.get $handle) (local.get $timeout))))

  (func (export "park")
    (call $away (i32.const 1)))
)
