;; The engine of the asyncify backend: runs guests whose code Binaryen has rewritten to leave and re-enter their frames.
;;
;; The hub's loop calls `run` with a guest's slot that it took from the ready ring. From there on this loop pops the ring
;; itself, as long as the next entry is a guest of ours: a switch from guest to guest has no JavaScript in it.
;;
;;   core       the core's memory: the ring and its words. Only those are touched, as ts/core/contract.ts allows.
;;   records    16 bytes a slot: what a guest is
;;                 0 BLOCK  where its frames are, or 0           4 USED   bytes of them, or -1: it has not started
;;                 8 ENTRY  index in `entries`, 0: no guest     12 FLAGS  2 JavaScript is told of its end | block's class << 3 |
;;                                                                        instance << 8
;;   frames     what the guests have unwound.
;;                64 arguments and results    8192 free lists    12032 blocks    ... scratch
;;   block      +0 shadow stack pointer while it is away   +4 function of a guest that a guest spawned
;;              +8 frames; or that function's argument
;;   data       where the next frame goes, or behind the last one: ts/guest/positions.ts makes guests use it so
;;
;; The scratch's beginning is far, modulo 4096, from the words of the ring and from the first records: processors
;; take addresses with the same low 12 bits for the same at first, and a switch between two guests then took twice as long.
;;
;; Guests have `yield` and what starts their exports inside (ts/guest/pilot.ts), so that a switch crosses from module to module
;; once. They use the exports core, words, ring, records, cur, may, base and raising for that.
;;
;; A1  state is 0 while guest code runs, 1 while it unwinds, 2 while it rewinds; outside `run` it is 0
;; A2  frames are unwound into the scratch, the last pages of the memory, and copied out: too many of them leave the memory,
;;     which traps, and can overwrite nobody's
;; A3  may is 1 only while guest code runs with no JavaScript frame above `run`: only then it may switch. 2: the same, on a stack of its
;;     own, where lift.wat has put it: it leaves that by `$leave` instead of unwinding
;; A4  whatever leaves `run` by an exception is the end of the guest `cur`; JavaScript calls `fault` then
(module
  (type $f (func))
  (import "core" "memory" (memory $core 1))
  (import "core" "words" (global $words i32))
  (import "core" "ring" (global $ring i32))
  (import "core" "take" (func $take (param i32) (result i32)))
  (import "core" "free" (func $free (param i32)))
  (import "js" "grown" (func $grown (param i32)))          ;; the core gave a slot that there was no record for
  (import "js" "arm" (func $arm (param i32 f64) (result i32))) ;; arm the slot's timer: 1; or 0, it only yields
  (import "js" "refuse" (func $refuse (param i32)))        ;; throws, always: 0 may not switch, 1 no memory, 2 no slot
  (import "js" "raise" (func $raise (param i32)))          ;; throws what is to be raised in this guest
  (import "js" "deep" (func $deep (param i32 i32)))        ;; this guest has unwound so many bytes; see patience
  (import "waits" "acquire" (func $acquire (param i32 i32 f64) (result i32)))
  (import "waits" "wait" (func $wait (param i32 i32 f64) (result i32)))
  (import "waits" "marked" (func $marked (param i32) (result i32)))
  (import "waits" "put" (func $put (param i32 i32 f64 f64) (result i32)))
  (import "waits" "get" (func $get (param i32 i32 i32 f64) (result i32)))
  (import "waits" "unmark" (func $unmark (param i32)))
  (import "waits" "done" (func $done (param i32) (result i32)))
  (import "waits" "notified" (func $notified (param i32) (result i32)))
  (export "core" (memory $core))
  (export "memory" (memory $core))                         ;; for waits.wat and asm/waits
  (export "words" (global $words))
  (export "ring" (global $ring))
  (memory $frames (export "frames") 18 65536)
  (memory $records (export "records") 1 4096)
  (table $entries (export "entries") 64 funcref)
  (table $refs (export "refs") 16 externref)               ;; arguments and results that are references
  (global $state (export "__asyncify_state") (mut i32) (i32.const 0))
  (global $data (export "__asyncify_data") (mut i32) (i32.const 0))
  (global $cur (export "cur") (mut i32) (i32.const -1))
  (global $may (export "may") (mut i32) (i32.const 0))
  (global $throwing (export "raising") (mut i32) (i32.const 0)) ;; 1: whoever is resumed next raises; 2: it unwinds again
  (global $patience (export "patience") (mut i32) (i32.const 0)) ;; so many deep unwindings until JavaScript is told of one; 0: of none
  (global $hold (export "hold") (mut i32) (i32.const 4096))                ;; so many leave their stack until one unwinds, to see how deep it is
  (global $room (export "room") (mut i32) (i32.const 4096))
  (global $brk (mut i32) (i32.const 12032))
  (global $base (export "base") (mut i32) (i32.const 133632))             ;; where the scratch begins
  (global $scratch (mut i32) (i32.const 1048576))          ;; its size
  (global $live (export "live") (mut i32) (i32.const 0))   ;; blocks in use

  ;; Most bytes that the frames of one guest may take, a multiple of 64 KiB. False: no memory.
  (func (export "limit") (param $bytes i32) (result i32)
    (local $more i32)
    (local.set $more (i32.sub (local.get $bytes) (global.get $scratch)))
    (if (i32.gt_s (local.get $more) (i32.const 0))
      (then
        (if (i32.lt_s (memory.grow $frames (i32.shr_u (local.get $more) (i32.const 16))) (i32.const 0)) (then (return (i32.const 0))))
        (global.set $scratch (local.get $bytes))))
    (i32.const 1))

  ;; ---- blocks -------------------------------------------------------------------------------------------------------
  ;; Powers of two from 16, a free list each.

  (func $class (param $bytes i32) (result i32)
    (i32.sub (i32.const 32) (i32.clz (i32.sub (select (local.get $bytes) (i32.const 16) (i32.gt_u (local.get $bytes) (i32.const 16))) (i32.const 1)))))

  (func $alloc (param $class i32) (result i32)
    (local $head i32) (local $at i32) (local $end i32)
    (local.set $head (i32.add (i32.const 8192) (i32.shl (local.get $class) (i32.const 2))))
    (if (local.tee $at (i32.load $frames (local.get $head)))
      (then
        (i32.store $frames (local.get $head) (i32.load $frames (local.get $at))))
      (else
        (local.set $at (global.get $brk))
        (local.set $end (i32.add (local.get $at) (i32.shl (i32.const 1) (local.get $class))))
        (if (i32.gt_u (local.get $end) (global.get $base)) (then (call $extend (local.get $end))))
        (global.set $brk (local.get $end))))
    (global.set $live (i32.add (global.get $live) (i32.const 1)))
    (local.get $at))

  ;; Move the scratch up, so that blocks may reach `end`; by an eighth at least, so that this stays rare.
  (func $extend (param $end i32)
    (local $pages i32) (local $eighth i32)
    (local.set $pages (i32.shr_u (i32.add (i32.sub (local.get $end) (global.get $base)) (i32.const 65535)) (i32.const 16)))
    (local.set $eighth (i32.shr_u (global.get $base) (i32.const 19)))
    (if (i32.lt_u (local.get $pages) (local.get $eighth)) (then (local.set $pages (local.get $eighth))))
    (if (i32.lt_s (memory.grow $frames (local.get $pages)) (i32.const 0)) (then (call $refuse (i32.const 1)) (unreachable)))
    (global.set $base (i32.add (global.get $base) (i32.shl (local.get $pages) (i32.const 16)))))

  (func $release (param $at i32) (param $class i32)
    (local $head i32)
    (local.set $head (i32.add (i32.const 8192) (i32.shl (local.get $class) (i32.const 2))))
    (i32.store $frames (local.get $at) (i32.load $frames (local.get $head)))
    (i32.store $frames (local.get $head) (local.get $at))
    (global.set $live (i32.sub (global.get $live) (i32.const 1))))

  (func $classOf (param $r i32) (result i32)
    (i32.and (i32.shr_u (i32.load $records offset=12 (local.get $r)) (i32.const 3)) (i32.const 31)))

  ;; The record's block is too small for `bytes`: another.
  (func $resize (param $r i32) (param $bytes i32) (result i32)
    (local $class i32) (local $at i32) (local $old i32)
    (local.set $class (call $class (local.get $bytes)))
    (local.set $at (call $alloc (local.get $class)))
    (if (local.tee $old (i32.load $records (local.get $r)))
      (then
        (i64.store $frames (local.get $at) (i64.load $frames (local.get $old)))
        (call $release (local.get $old) (call $classOf (local.get $r)))))
    (i32.store $records (local.get $r) (local.get $at))
    (i32.store $records offset=12 (local.get $r)
      (i32.or (i32.and (i32.load $records offset=12 (local.get $r)) (i32.const -249)) (i32.shl (local.get $class) (i32.const 3))))
    (local.get $at))

  ;; ---- guests -------------------------------------------------------------------------------------------------------

  ;; Make the slot a guest. It starts when `run` comes to it. One with a shadow stack has a block from the start.
  (func (export "enter") (param $slot i32) (param $entry i32) (param $sp i32) (param $flags i32)
    (local $r i32)
    (local.set $r (i32.shl (local.get $slot) (i32.const 4)))
    (i64.store $records (local.get $r) (i64.const -4294967296))
    (i32.store $records offset=12 (local.get $r) (local.get $flags))
    (if (local.get $sp)
      (then (i32.store $frames (call $resize (local.get $r) (i32.const 16)) (local.get $sp))))
    (i32.store $records offset=8 (local.get $r) (local.get $entry)))

  ;; The slot is no guest any more. What it had unwound is gone.
  (func $drop (export "drop") (param $slot i32)
    (local $r i32) (local $at i32)
    (local.set $r (i32.shl (local.get $slot) (i32.const 4)))
    (if (local.tee $at (i32.load $records (local.get $r)))
      (then (call $release (local.get $at) (call $classOf (local.get $r)))))
    (i32.store $records (local.get $r) (i32.const 0))
    (i32.store $records offset=8 (local.get $r) (i32.const 0)))

  ;; A guest that a guest spawned: function and argument are its block's, and nobody is told of its end.
  (func (export "spawn") (param $entry i32) (param $instance i32) (param $fn i32) (param $arg i32) (result i32)
    (local $slot i32) (local $r i32) (local $at i32)
    (local.set $slot (call $take (i32.const 6)))
    (if (i32.lt_s (local.get $slot) (i32.const 0)) (then (call $refuse (i32.const 2)) (unreachable)))
    (if (i32.ge_u (local.get $slot) (global.get $room)) (then (call $grown (local.get $slot))))
    (local.set $at (call $alloc (i32.const 4)))
    (i32.store $frames offset=4 (local.get $at) (local.get $fn))
    (i32.store $frames offset=8 (local.get $at) (local.get $arg))
    (local.set $r (i32.shl (local.get $slot) (i32.const 4)))
    (i32.store $records (local.get $r) (local.get $at))
    (i32.store $records offset=4 (local.get $r) (i32.const -1))
    (i32.store $records offset=8 (local.get $r) (local.get $entry))
    (i32.store $records offset=12 (local.get $r) (i32.or (i32.shl (local.get $instance) (i32.const 8)) (i32.const 32)))
    (call $push (local.get $slot))
    (local.get $slot))

  ;; Of the running guest: its block's address, function and argument.
  (func $block (export "block") (result i32)
    (i32.load $records (i32.shl (global.get $cur) (i32.const 4))))
  (func (export "fn") (result i32)
    (i32.load $frames offset=4 (call $block)))
  (func (export "arg") (result i32)
    (i32.load $frames offset=8 (call $block)))

  (func $push (param $slot i32)
    (local $tail i32)
    (local.set $tail (i32.load $core offset=4 (global.get $words)))
    (i32.store $core (i32.add (global.get $ring) (i32.shl (local.get $tail) (i32.const 2))) (local.get $slot))
    (i32.store $core offset=4 (global.get $words)
      (i32.and (i32.add (local.get $tail) (i32.const 1)) (i32.load $core offset=8 (global.get $words)))))

  ;; ---- the loop -----------------------------------------------------------------------------------------------------

  ;; Resume the guest, then every guest that is next in the ring. Gives the slot of one whose end JavaScript is told, its
  ;; results where its arguments were; or -1: the next entry is none of ours, or the batch is over.
  (func $run (export "run") (param $slot i32) (result i32)
    (local $r i32) (local $at i32) (local $used i32) (local $now i32) (local $base i32) (local $head i32)
    (global.set $may (i32.const 1))
    (loop $next
      (global.set $cur (local.get $slot))
      (local.set $r (i32.shl (local.get $slot) (i32.const 4)))
      (if (i32.ge_s (local.tee $used (i32.load $records offset=4 (local.get $r))) (i32.const 0))
        (then
          (global.set $data (i32.add (i32.add (i32.load $records (local.get $r)) (local.get $used)) (i32.const 8)))
          (global.set $state (i32.const 2))))
      (call_indirect $entries (type $f) (i32.load $records offset=8 (local.get $r)))
      (if (global.get $state)
        (then
          (global.set $state (i32.const 0))
          (local.set $base (global.get $base))
          (local.set $now (i32.sub (global.get $data) (local.get $base)))
          ;; Mostly it left as many bytes as last time, and few. In words, as they were written: a load of two words that were just
          ;; stored one by one waits for both to reach the cache, 5 ns.
          (block $kept (if (i32.and (i32.eq (local.get $now) (local.get $used)) (i32.le_u (local.get $now) (i32.const 16)))
            (then
              (local.set $at (i32.load $records (local.get $r)))
              (i32.store $frames offset=8 (local.get $at) (i32.load $frames offset=0 (local.get $base)))
              (i32.store $frames offset=12 (local.get $at) (i32.load $frames offset=4 (local.get $base)))
              ;; A block of 16 bytes ends here.
              (br_if $kept (i32.le_u (local.get $now) (i32.const 8)))
              (i32.store $frames offset=16 (local.get $at) (i32.load $frames offset=8 (local.get $base)))
              (i32.store $frames offset=20 (local.get $at) (i32.load $frames offset=12 (local.get $base))))
            (else (call $keep (local.get $r) (local.get $base) (local.get $now))))))
        (else
          (if (i32.and (i32.load $records offset=12 (local.get $r)) (i32.const 2))
            (then
              (call $drop (local.get $slot))
              (global.set $may (i32.const 0))
              (global.set $cur (i32.const -1))
              (return (local.get $slot))))
          (call $drop (local.get $slot))
          (call $free (local.get $slot))))
      (block $leave (loop $pop
        (local.set $head (i32.load $core (global.get $words)))
        (br_if $leave (i32.eq (local.get $head) (i32.load $core offset=4 (global.get $words))))
        (br_if $leave (i32.le_s (local.tee $used (i32.load $core offset=12 (global.get $words))) (i32.const 0)))
        (local.set $slot (i32.load $core (i32.add (global.get $ring) (i32.shl (local.get $head) (i32.const 2)))))
        (if (i32.lt_u (local.get $slot) (global.get $room))
          (then (br_if $leave (i32.eqz (i32.load $records offset=8 (i32.shl (local.get $slot) (i32.const 4))))))
          ;; The turn of a row's notifier; a hole is JavaScript's.
          (else (br_if $leave (i32.ge_s (i32.sub (local.get $slot) (i32.const 1)) (i32.const 0)))))
        (i32.store $core offset=12 (global.get $words) (i32.sub (local.get $used) (i32.const 1)))
        (i32.store $core (global.get $words)
          (i32.and (i32.add (local.get $head) (i32.const 1)) (i32.load $core offset=8 (global.get $words))))
        (br_if $next (i32.ge_s (local.get $slot) (i32.const 0)))
        (br_if $next (i32.ge_s (local.tee $slot (call $notified (i32.xor (local.get $slot) (i32.const -1)))) (i32.const 0)))
        (br_if $pop (i32.eq (local.get $slot) (i32.const -1)))
        (i32.store $core offset=12 (global.get $words) (local.get $used))
        (i32.store $core (global.get $words) (local.get $head)))))
    (global.set $may (i32.const 0))
    (global.set $cur (i32.const -1))
    (i32.const -1))

  ;; The frames are many, or not as many as before.
  (func $keep (param $r i32) (param $from i32) (param $used i32)
    (local $at i32) (local $left i32)
    (i32.store $records offset=4 (local.get $r) (local.get $used))
    ;; It has a stack, and left nothing.
    (if (i32.lt_s (local.get $used) (i32.const 0)) (then (return)))
    (local.set $at (i32.load $records (local.get $r)))
    (if (i32.or
          (i32.eqz (local.get $at))
          (i32.gt_u (i32.add (local.get $used) (i32.const 8)) (i32.shl (i32.const 1) (call $classOf (local.get $r)))))
      (then
        (local.set $at (call $resize (local.get $r) (i32.add (local.get $used) (i32.const 8))))
        ;; The new block may lie where the scratch was: this copy minds that.
        (memory.copy $frames $frames (i32.add (local.get $at) (i32.const 8)) (local.get $from) (local.get $used))
        (return)))
    (if (i32.gt_u (local.get $used) (i32.const 96))
      (then
        (memory.copy $frames $frames (i32.add (local.get $at) (i32.const 8)) (local.get $from) (local.get $used))
        (if (global.get $patience)
          (then
            (global.set $patience (i32.sub (global.get $patience) (i32.const 1)))
            (if (i32.eqz (global.get $patience))
              (then (call $deep (i32.shr_u (local.get $r) (i32.const 4)) (local.get $used))))))
        (return)))
    (local.set $left (local.get $used))
    (loop $copy
      (i32.store $frames offset=8 (local.get $at) (i32.load $frames (local.get $from)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (local.set $from (i32.add (local.get $from) (i32.const 4)))
      (br_if $copy (i32.gt_s (local.tee $left (i32.sub (local.get $left) (i32.const 4))) (i32.const 0)))))

  ;; Rewind a guest that has just unwound so many bytes and let it unwind again, `times` times: nothing of it runs, and what that takes is what
  ;; a switch costs it. 0: it did something else.
  (func (export "probe") (param $slot i32) (param $used i32) (param $times i32) (result i32)
    (local $r i32) (local $block i32)
    (local.set $r (i32.shl (local.get $slot) (i32.const 4)))
    (local.set $block (i32.load $records (local.get $r)))
    (global.set $throwing (i32.const 2))
    (loop $again
      (global.set $data (i32.add (i32.add (local.get $block) (local.get $used)) (i32.const 8)))
      (global.set $state (i32.const 2))
      (call_indirect $entries (type $f) (i32.load $records offset=8 (local.get $r)))
      (memory.copy $frames $frames (i32.add (local.get $block) (i32.const 8)) (global.get $base) (local.get $used))
      (br_if $again (i32.and (global.get $state) (i32.gt_s (local.tee $times (i32.sub (local.get $times) (i32.const 1))) (i32.const 0)))))
    (local.set $times (global.get $state))
    (global.set $state (i32.const 0))
    (global.set $throwing (i32.const 0))
    (local.get $times))

  ;; The same for one guest, and no other: for turns that have a context of their own.
  (func (export "runOne") (param $slot i32) (result i32)
    (local $budget i32) (local $ended i32)
    (local.set $budget (i32.load $core offset=12 (global.get $words)))
    (i32.store $core offset=12 (global.get $words) (i32.const 0))
    (local.set $ended (call $run (local.get $slot)))
    (i32.store $core offset=12 (global.get $words) (local.get $budget))
    (local.get $ended))

  ;; The next resumption of a guest that waits in here, not in a shim, raises.
  (func (export "throwing") (global.set $throwing (i32.const 1)))

  ;; An exception came out of `run`: whose it was. A4
  (func (export "fault") (result i32)
    (local $slot i32)
    (local.set $slot (global.get $cur))
    (global.set $state (i32.const 0))
    (global.set $may (i32.const 0))
    (global.set $throwing (i32.const 0))
    (global.set $cur (i32.const -1))
    (local.get $slot))

  ;; ---- what guests call ---------------------------------------------------------------------------------------------

  ;; Who calls this has put the guest where it waits: in the ring, in a row, or among the timers. Saying so to `run` instead,
  ;; by a global that it tests, costs 8 ns.
  (func $unwind
    (global.set $data (global.get $base))
    (global.set $state (i32.const 1)))

  ;; The same, for one that may be on a stack of its own, and is then back when this returns, if state is not 1.
  (func $away
    (if (i32.eq (global.get $may) (i32.const 2))
      (then
        (if (global.get $hold)
          (then
            (global.set $hold (i32.sub (global.get $hold) (i32.const 1)))
            ;; lift.wat's.
            (call_indirect $entries (type $f) (i32.const 1))
            (return)))
        (global.set $hold (i32.const 4096))
        (global.set $patience (i32.const 1))))
    (call $unwind))

  (func $back
    (global.set $state (i32.const 0))
    (if (global.get $throwing)
      (then
        (if (i32.eq (global.get $throwing) (i32.const 2)) (then (call $unwind) (return)))
        (global.set $throwing (i32.const 0))
        (call $raise (global.get $cur)))))

  ;; The guest is put where it waits: it leaves, and is back at once if it has a stack.
  (func $leave
    (call $away)
    (if (i32.eqz (global.get $state)) (then (call $back))))

  (func (export "yield")
    (if (global.get $state)
      (then (call $back))
      (else
        (if (i32.eqz (global.get $may)) (then (call $refuse (i32.const 0)) (unreachable)))
        (call $push (global.get $cur)) (call $leave))))

  (func (export "sleep") (param $seconds f64)
    (if (global.get $state)
      (then (call $back))
      (else
        (if (i32.eqz (global.get $may)) (then (call $refuse (i32.const 0)) (unreachable)))
        (if (i32.eqz (call $arm (global.get $cur) (local.get $seconds))) (then (call $push (global.get $cur))))
        (call $leave))))

  ;; For shims, which then know by the mark that the guest is parked here, and not in JavaScript: waits.wat. Its result; -1000: it is not.
  (func $returned (result i32)
    (local $result i32)
    (if (i32.eqz (call $marked (global.get $cur))) (then (return (i32.const -1000))))
    ;; `probe` asks what unwinding costs.
    (if (i32.eq (global.get $throwing) (i32.const 2)) (then (call $unwind) (return (i32.const -1001))))
    ;; One that is to be raised in gets nothing.
    (if (global.get $throwing) (then (call $unmark (global.get $cur)) (call $back)))
    (global.set $state (i32.const 0))
    (call $done (global.get $cur)))

  (func $leaving (param $result i32) (result i32)
    (if (i32.ne (local.get $result) (i32.const -1001)) (then (return (local.get $result))))
    (call $away)
    ;; It has a stack, and is back.
    (if (i32.eqz (global.get $state)) (then (return (call $returned))))
    (local.get $result))

  (func (export "semaphore_acquire") (param $instance i32) (param $handle i32) (param $timeout f64) (result i32)
    (if (global.get $state) (then (return (call $returned))))
    (call $leaving (call $acquire (local.get $instance) (local.get $handle) (local.get $timeout))))

  (func (export "channel_put") (param $instance i32) (param $handle i32) (param $item f64) (param $timeout f64) (result i32)
    (if (global.get $state) (then (return (call $returned))))
    (call $leaving (call $put (local.get $instance) (local.get $handle) (local.get $item) (local.get $timeout))))

  (func (export "channel_get") (param $instance i32) (param $handle i32) (param $out i32) (param $timeout f64) (result i32)
    (if (global.get $state) (then (return (call $returned))))
    (call $leaving (call $get (local.get $instance) (local.get $handle) (local.get $out) (local.get $timeout))))

  (func (export "event_wait") (param $instance i32) (param $handle i32) (param $timeout f64) (result i32)
    (if (global.get $state) (then (return (call $returned))))
    (call $leaving (call $wait (local.get $instance) (local.get $handle) (local.get $timeout))))

  ;; For shims: they look at state themselves, before and after.
  (func (export "park")
    (call $away))
)
