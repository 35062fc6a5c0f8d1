;; Stacks for guests of the asyncify engine that block deep: where wasmfx is on, such a guest is rewound onto a stack of its own, and from
;; then on leaves that, at one cost for any depth, instead of unwinding. Its code is what it was: rewritten code runs on as long as state is 0.
;; ts/guest/lift.ts decides who.
;;
;; To the engine's `run` a guest that is lifted is one whose ENTRY is `resume` below (or a thunk around it, which sets the shadow stack
;; pointer). What it leaves, it says to have unwound -1 bytes: USED of one that starts, so that nothing is rewound when it is resumed.
;;
;;   lifted    8 bytes a slot:  0 WORKER  its stack, or 0: not yet    4 ENTRY  what it is started by, or 0: it is not lifted
;;
;; Workers, and their rules X1 to X4, are those of wasmfx.wat.
;;
;; L1  a slot has an ENTRY here exactly while its record has one of ours
;; L2  a guest comes down by unwinding its stack into its worker's frame, which is then free: any time, and the engine asks for it now and then
(module
  (type $f (func))
  (type $k (cont $f))
  (import "e" "entries" (table $entries 64 funcref))
  (import "e" "records" (memory $records 1 4096))
  (import "e" "cur" (global $cur (mut i32)))
  (import "e" "may" (global $may (mut i32)))
  (import "e" "base" (global $base (mut i32)))
  (import "e" "__asyncify_state" (global $state (mut i32)))
  (import "e" "__asyncify_data" (global $data (mut i32)))
  (import "js" "stack" (func $stack (result i32)))         ;; may there be one more in this thread?
  (import "js" "unstack" (func $unstack))
  (memory $lifted 1 2048)
  (memory $next 2 2)                                       ;; 4 bytes a worker: the idle or unused one behind it
  (table $workers 1 32768 (ref null $k))
  (tag $pause (type $f))
  (elem declare func $worker $swing)
  (global $done (mut i32) (i32.const 0))                   ;; of a pause: the guest has ended, or come down
  (global $exit (mut i32) (i32.const 0))
  (global $failed (mut i32) (i32.const 0))
  (global $thrown (mut exnref) (ref.null exn))
  (global $idle (mut i32) (i32.const 0))
  (global $unused (mut i32) (i32.const 0))
  (global $top (mut i32) (i32.const 1))
  (global $count (export "stacks") (mut i32) (i32.const 0))
  (global $limit (export "limit") (mut i32) (i32.const 0))

  ;; ---- workers ------------------------------------------------------------------------------------------------------

  (func $worker
    (loop $again
      (block $failed (result exnref)
        (try_table (catch_all_ref $failed)
          (call_indirect $entries (type $f) (call $entryOf (global.get $cur))))
        (global.set $done (i32.const 1))
        (suspend $pause)
        (br_if $again (i32.eqz (global.get $exit)))
        (return))
      (global.set $thrown)
      (global.set $failed (i32.const 1))
      (global.set $done (i32.const 1))
      (suspend $pause)
      (br_if $again (i32.eqz (global.get $exit)))))

  ;; A worker's number; 0: there may be no more.
  (func $hire (result i32)
    (local $w i32)
    (if (local.tee $w (global.get $idle))
      (then
        (global.set $idle (i32.load $next (i32.shl (local.get $w) (i32.const 2))))
        (return (local.get $w))))
    (if (i32.ge_s (global.get $count) (global.get $limit)) (then (return (i32.const 0))))
    (if (i32.eqz (call $stack)) (then (return (i32.const 0))))
    (if (local.tee $w (global.get $unused))
      (then (global.set $unused (i32.load $next (i32.shl (local.get $w) (i32.const 2)))))
      (else
        (local.set $w (global.get $top))
        (if (i32.ge_u (local.get $w) (table.size $workers))
          (then
            (if (i32.lt_s (table.grow $workers (ref.null $k) (table.size $workers)) (i32.const 0))
              (then (call $unstack) (return (i32.const 0))))))
        (global.set $top (i32.add (local.get $w) (i32.const 1)))))
    (table.set $workers (local.get $w) (cont.new $k (ref.func $worker)))
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (local.get $w))

  (func $gone (param $w i32)
    (call $unstack)
    (table.set $workers (local.get $w) (ref.null $k))
    (i32.store $next (i32.shl (local.get $w) (i32.const 2)) (global.get $unused))
    (global.set $unused (local.get $w))
    (global.set $count (i32.sub (global.get $count) (i32.const 1))))

  ;; End all idle workers.
  (func (export "trim")
    (local $w i32)
    (global.set $exit (i32.const 1))
    (loop $more
      (if (local.tee $w (global.get $idle))
        (then
          (global.set $idle (i32.load $next (i32.shl (local.get $w) (i32.const 2))))
          (block $paused (result (ref $k))
            (resume $k (on $pause $paused) (table.get $workers (local.get $w)))
            (call $gone (local.get $w))
            (br $more))
          (unreachable))))
    (global.set $exit (i32.const 0)))

  ;; ---- guests -------------------------------------------------------------------------------------------------------

  (func $entryOf (param $slot i32) (result i32)
    (i32.load $lifted offset=4 (i32.shl (local.get $slot) (i32.const 3))))

  ;; True if the slot is a guest that is lifted.
  (func $isLifted (export "isLifted") (param $slot i32) (result i32)
    (if (i32.ge_u (i32.shl (local.get $slot) (i32.const 3)) (i32.shl (memory.size $lifted) (i32.const 16)))
      (then (return (i32.const 0))))
    (i32.ne (call $entryOf (local.get $slot)) (i32.const 0)))

  ;; From its next turn on this guest, which is unwound, has a stack, if there is one for it. `entry`: of `resume`, in the engine's table.
  (func (export "lift") (param $slot i32) (param $entry i32)
    (local $at i32) (local $r i32) (local $short i32)
    (local.set $at (i32.shl (local.get $slot) (i32.const 3)))
    (local.set $short
      (i32.sub (i32.add (i32.shr_u (local.get $at) (i32.const 16)) (i32.const 1)) (memory.size $lifted)))
    (if (i32.gt_s (local.get $short) (i32.const 0))
      (then
        (if (i32.lt_s (memory.grow $lifted (local.get $short)) (i32.const 0)) (then (return)))))
    (if (call $isLifted (local.get $slot)) (then (return)))
    (local.set $r (i32.shl (local.get $slot) (i32.const 4)))
    (i32.store $lifted (local.get $at) (i32.const 0))
    (i32.store $lifted offset=4 (local.get $at) (i32.load $records offset=8 (local.get $r)))
    (i32.store $records offset=8 (local.get $r) (local.get $entry)))

  ;; It is not lifted any more.
  (func $lower (param $slot i32)
    (local $at i32)
    (local.set $at (i32.shl (local.get $slot) (i32.const 3)))
    (i32.store $records offset=8 (i32.shl (local.get $slot) (i32.const 4)) (i32.load $lifted offset=4 (local.get $at)))
    (i64.store $lifted (local.get $at) (i64.const 0)))

  ;; It is over, by a trap if it still has a worker (X3), or before it had one.
  (func (export "forget") (param $slot i32)
    (local $w i32)
    (if (i32.eqz (call $isLifted (local.get $slot))) (then (return)))
    (if (local.tee $w (i32.load $lifted (i32.shl (local.get $slot) (i32.const 3)))) (then (call $gone (local.get $w))))
    (call $lower (local.get $slot)))

  ;; The running guest's turn.
  (func (export "resume")
    (local $at i32) (local $w i32) (local $entry i32) (local $k (ref null $k))
    (local.set $at (i32.shl (global.get $cur) (i32.const 3)))
    (if (i32.eqz (local.tee $w (i32.load $lifted (local.get $at))))
      (then
        (if (i32.eqz (local.tee $w (call $hire)))
          (then
            (local.set $entry (call $entryOf (global.get $cur)))
            (call $lower (global.get $cur))
            (call_indirect $entries (type $f) (local.get $entry))
            (return)))
        (i32.store $lifted (local.get $at) (local.get $w))))
    (global.set $may (i32.const 2))
    (block $paused (result (ref $k))
      (resume $k (on $pause $paused) (table.get $workers (local.get $w)))
      (unreachable))
    (local.set $k)
    (table.set $workers (local.get $w) (local.get $k))
    (global.set $may (i32.const 1))
    (if (global.get $done)
      (then
        (global.set $done (i32.const 0))
        (i32.store $next (i32.shl (local.get $w) (i32.const 2)) (global.get $idle))
        (global.set $idle (local.get $w))
        (call $lower (global.get $cur))
        (if (global.get $failed) (then (call $rethrow)))
        (return)))
    (global.set $state (i32.const 1))
    (global.set $data (i32.sub (global.get $base) (i32.const 1))))

  (func $rethrow
    (local $e exnref)
    (local.set $e (global.get $thrown))
    (global.set $thrown (ref.null exn))
    (global.set $failed (i32.const 0))
    (throw_ref (local.get $e)))

  ;; The running guest leaves its stack, and is back when this returns.
  (func (export "leave") (suspend $pause))

  ;; ---- what it costs ------------------------------------------------------------------------------------------------

  (func $swing (loop $again (suspend $pause) (br_if $again (i32.eqz (global.get $exit)))))

  ;; Leave and resume a stack so many times. 0: there is none.
  (func (export "measure") (param $times i32) (result i32)
    (local $k (ref null $k)) (local $w i32)
    (if (i32.eqz (call $stack)) (then (return (i32.const 0))))
    ;; Like a guest's it lies in the table between.
    (table.set $workers (i32.const 0) (cont.new $k (ref.func $swing)))
    (loop $again
      (block $paused (result (ref $k))
        (resume $k (on $pause $paused) (table.get $workers (i32.const 0)))
        (global.set $exit (i32.const 0))
        (table.set $workers (i32.const 0) (ref.null $k))
        (call $unstack)
        (return (i32.const 1)))
      (local.set $k)
      (table.set $workers (i32.const 0) (local.get $k))
      (global.set $exit (i32.le_s (local.tee $times (i32.sub (local.get $times) (i32.const 1))) (i32.const 0)))
      (br $again))
    (unreachable))
)
