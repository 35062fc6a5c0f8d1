;; What guests wait on without JavaScript: semaphores, events and channels, by the rules of asm/waits (imported from `rules`). build.sh merges
;; this, those and an engine, which is `env` here, into one module. Nothing here switches: whoever gets PARKED from it does that.
;;
;;   cells   of `marks`, 16 bytes each, from 0 to 65536: which row a handle stands for at present. JavaScript fills them, when it opens the
;;           row, and empties them, when that goes: ts/guest/sharing.ts, which knows the same places.
;;              0 instance   4 handle   8 row   12 1: who releases need not ask JavaScript
;;   marks   16 bytes a slot, from 67584 on: what a guest waits for that is parked here
;;              0 0: it is not; 1 a permit; 2 an event; 3 one that was up when it began; row << 3 | 4 it puts; | 5 it gets; | 6 it has got
;;              4 where its item is to lie   8 the item, f64
;;
;; Results: -1000 JavaScript is to do it (no cell, a JavaScript frame above, a limit that is none); -1001 PARKED; else the guest's.
;;
;; K1  a cell's row is alive, and the object's that the handle names: it is emptied before the row or the handle goes
;; K2  a slot has a mark exactly while it is parked here, or loose since and not resumed yet
(module
  (import "env" "memory" (memory $core 0))
  (import "env" "records" (memory $records 0))
  (import "env" "room" (global $room (mut i32)))
  (import "env" "cur" (global $cur (mut i32)))
  (import "env" "may" (global $may (mut i32)))
  (import "core" "LINKS" (global $links (mut i32)))
  (import "core" "ROWS" (global $rows (mut i32)))
  (import "js" "limit" (func $limit (param i32 f64)))       ;; arm the slot's timer, as its wait's limit
  (import "js" "received" (func $received (param i32 i32) (result f64))) ;; what this getter was given on that row by JavaScript
  (import "rules" "chanPut" (func $chanPut (param i32 i32)))
  (import "rules" "chanGet" (func $chanGet (param i32 i32)))
  (import "rules" "notifyPair" (func $notifyPair (param i32) (result i32)))
  (import "rules" "semAcquire" (func $semAcquire (param i32 i32) (result i32)))
  (import "rules" "semTry" (func $semTry (param i32) (result i32)))
  (import "rules" "semRelease" (func $semRelease (param i32 i32) (result i32)))
  (import "rules" "eventWait" (func $eventWait (param i32 i32) (result i32)))
  (import "rules" "eventSet" (func $eventSet (param i32)))
  (import "rules" "eventClear" (func $eventClear (param i32)))
  (import "rules" "notifyFlag" (func $notifyFlag (param i32) (result i32)))
  (memory $marks (export "marks") 3 4097)
  (global $item (export "item") (mut f64) (f64.const 0))  ;; what `done` has got for the guest, and where its shim is to store it
  (global $out (export "out") (mut i32) (i32.const 0))
  (global $over (export "over") (mut i32) (i32.const 0))  ;; `received` says that it was the end

  ;; The row that the handle stands for, if it is of that kind and `may`; else -1. Bits that the cell must have: `bits`.
  (func $row (param $instance i32) (param $handle i32) (param $kind i32) (param $bits i32) (result i32)
    (local $cell i32) (local $row i32)
    (if (i32.eqz (global.get $may)) (then (return (i32.const -1))))
    (local.set $cell
      (i32.and
        (i32.shl (i32.add (local.get $handle) (i32.mul (local.get $instance) (i32.const 61))) (i32.const 4))
        (i32.const 65520)))
    (if (i32.or
          (i32.or
            (i32.ne (i32.load $marks (local.get $cell)) (local.get $instance))
            (i32.ne (i32.load $marks offset=4 (local.get $cell)) (local.get $handle)))
          (i32.ne (i32.and (i32.load $marks offset=12 (local.get $cell)) (local.get $bits)) (local.get $bits)))
      (then (return (i32.const -1))))
    (local.set $row (i32.load $marks offset=8 (local.get $cell)))
    (select
      (local.get $row)
      (i32.const -1)
      (i32.eq (call $word (local.get $row) (i32.const 24)) (local.get $kind))))

  ;; A word of a row's record.
  (func $word (param $row i32) (param $at i32) (result i32)
    (i32.load $core (i32.add (i32.add (global.get $rows) (i32.shl (local.get $row) (i32.const 5))) (local.get $at))))

  ;; The running guest was put into a row.
  (func $parked (param $mark i32) (param $timeout f64) (result i32)
    (i32.store $marks offset=67584 (i32.shl (global.get $cur) (i32.const 4)) (local.get $mark))
    (if (f64.ge (local.get $timeout) (f64.const 0))
      (then (if (f64.ne (local.get $timeout) (f64.const inf)) (then (call $limit (global.get $cur) (local.get $timeout))))))
    (i32.const -1001))

  ;; 0: the guest is not parked here.
  (func (export "marked") (param $slot i32) (result i32)
    (i32.load $marks offset=67584 (i32.shl (local.get $slot) (i32.const 4))))

  ;; What a guest is given that was parked here, its mark gone.
  (func (export "done") (param $slot i32) (result i32)
    (local $at i32) (local $mark i32)
    (local.set $at (i32.shl (local.get $slot) (i32.const 4)))
    (local.set $mark (i32.load $marks offset=67584 (local.get $at)))
    (i32.store $marks offset=67584 (local.get $at) (i32.const 0))
    (if (i32.and (local.get $mark) (i32.const 4))
      (then (if (i32.and (local.get $mark) (i32.const 1))
        (then (return (call $gets (local.get $at) (i32.shr_u (local.get $mark) (i32.const 3)))))
        (else (if (i32.and (local.get $mark) (i32.const 2)) (then (return (call $got (local.get $at)))))))))
    (select
      (i32.const -73)
      (i32.const 0)
      (i32.and (call $late (local.get $at)) (i32.ne (local.get $mark) (i32.const 3)))))

  (func $late (param $at i32) (result i32)
    (i32.eq (i32.load $core offset=8 (i32.add (global.get $links) (local.get $at))) (i32.const -2)))

  ;; From a guest.
  (func $got (param $at i32) (result i32)
    (global.set $out (i32.load $marks offset=67588 (local.get $at)))
    (global.set $item (f64.load $marks offset=67592 (local.get $at)))
    (i32.const 0))

  ;; From JavaScript, or nothing.
  (func $gets (param $at i32) (param $row i32) (result i32)
    (if (call $late (local.get $at)) (then (return (i32.const -73))))
    (global.set $out (i32.load $marks offset=67588 (local.get $at)))
    (global.set $over (i32.const 0))
    (global.set $item (call $received (i32.shr_u (local.get $at) (i32.const 4)) (local.get $row)))
    (select (i32.const -64) (i32.const 0) (global.get $over)))

  ;; The guest is over, wherever it was.
  (func (export "unmark") (param $slot i32)
    (i32.store $marks offset=67584 (i32.shl (local.get $slot) (i32.const 4)) (i32.const 0)))

  ;; The turn of a row's notifier, taken from the ring: the guest to run; -1: nobody now; -2: JavaScript is to see to it.
  (func (export "notified") (param $row i32) (result i32)
    (local $kind i32) (local $first i32)
    (local.set $kind (call $word (local.get $row) (i32.const 24)))
    (if (i32.eq (local.get $kind) (i32.const 4)) (then (return (call $pair (local.get $row)))))
    (if (i32.gt_u (i32.sub (local.get $kind) (i32.const 1)) (i32.const 1)) (then (return (i32.const -2))))
    (local.set $first (call $word (local.get $row) (i32.const 0)))
    (if (i32.ge_s (local.get $first) (i32.const 0))
      (then
        (if (i32.ge_u (local.get $first) (global.get $room)) (then (return (i32.const -2))))
        (if (i32.eqz (i32.load $records offset=8 (i32.shl (local.get $first) (i32.const 4)))) (then (return (i32.const -2))))))
    (call $notifyFlag (local.get $row)))

  ;; ---- semaphores ---------------------------------------------------------------------------------------------------

  (func (export "acquire") (param $instance i32) (param $handle i32) (param $timeout f64) (result i32)
    (local $row i32)
    (if (i32.or
          (i32.lt_s (local.tee $row (call $row (local.get $instance) (local.get $handle) (i32.const 2) (i32.const 0))) (i32.const 0))
          (f64.ne (local.get $timeout) (local.get $timeout)))
      (then (return (i32.const -1000))))
    (if (call $semAcquire (local.get $row) (global.get $cur)) (then (return (i32.const 0))))
    (call $parked (i32.const 1) (local.get $timeout)))

  (func (export "semaphore_try") (param $instance i32) (param $handle i32) (result i32)
    (local $row i32)
    (local.set $row (call $row (local.get $instance) (local.get $handle) (i32.const 2) (i32.const 0)))
    (if (i32.lt_s (local.get $row) (i32.const 0)) (then (return (i32.const -1000))))
    (call $semTry (local.get $row)))

  (func (export "semaphore_release") (param $instance i32) (param $handle i32) (param $count i32) (result i32)
    (local $row i32)
    (local.set $row (call $row (local.get $instance) (local.get $handle) (i32.const 2) (i32.const 1)))
    (if (i32.or (i32.lt_s (local.get $row) (i32.const 0)) (i32.ne (local.get $count) (i32.const 1)))
      (then (return (i32.const -1000))))
    (drop (call $semRelease (local.get $row) (i32.const 1)))
    (i32.const 0))

  ;; ---- events -------------------------------------------------------------------------------------------------------

  (func (export "wait") (param $instance i32) (param $handle i32) (param $timeout f64) (result i32)
    (local $row i32) (local $up i32)
    (if (i32.or
          (i32.lt_s (local.tee $row (call $row (local.get $instance) (local.get $handle) (i32.const 1) (i32.const 0))) (i32.const 0))
          (f64.ne (local.get $timeout) (local.get $timeout)))
      (then (return (i32.const -1000))))
    (local.set $up (call $word (local.get $row) (i32.const 16)))
    (if (call $eventWait (local.get $row) (global.get $cur)) (then (return (i32.const 0))))
    ;; Up already: it only queues behind those who are being woken.
    (call $parked (i32.add (i32.const 2) (local.get $up)) (local.get $timeout)))

  (func (export "event_set") (param $instance i32) (param $handle i32) (result i32)
    (local $row i32)
    (local.set $row (call $row (local.get $instance) (local.get $handle) (i32.const 1) (i32.const 0)))
    (if (i32.lt_s (local.get $row) (i32.const 0)) (then (return (i32.const -1000))))
    (call $eventSet (local.get $row))
    (i32.const 0))

  (func (export "event_clear") (param $instance i32) (param $handle i32) (result i32)
    (local $row i32)
    (local.set $row (call $row (local.get $instance) (local.get $handle) (i32.const 1) (i32.const 0)))
    (if (i32.lt_s (local.get $row) (i32.const 0)) (then (return (i32.const -1000))))
    (call $eventClear (local.get $row))
    (i32.const 0))

  (func (export "event_is_set") (param $instance i32) (param $handle i32) (result i32)
    (local $row i32)
    (local.set $row (call $row (local.get $instance) (local.get $handle) (i32.const 1) (i32.const 0)))
    (if (i32.lt_s (local.get $row) (i32.const 0)) (then (return (i32.const -1000))))
    (call $word (local.get $row) (i32.const 16)))

  ;; ---- channels -----------------------------------------------------------------------------------------------------

  ;; The same for a channel, if both have their marks here: the item goes from one to the other.
  (func $pair (param $row i32) (result i32)
    (local $edge i32) (local $getter i32) (local $putter i32)
    (if (i32.lt_s (local.tee $edge (call $word (local.get $row) (i32.const 8))) (i32.const 0))
      (then (return (call $notifyPair (local.get $row)))))
    (local.set $putter (i32.load $core (i32.add (global.get $links) (i32.shl (local.get $edge) (i32.const 4)))))
    (if (i32.lt_s (local.get $putter) (i32.const 0)) (then (return (call $notifyPair (local.get $row)))))
    (local.set $getter (call $word (local.get $row) (i32.const 0)))
    (if (i32.or (i32.ge_u (local.get $getter) (global.get $room)) (i32.ge_u (local.get $putter) (global.get $room)))
      (then (return (i32.const -2))))
    (local.set $edge (i32.shl (local.get $putter) (i32.const 4)))
    (local.set $putter (i32.shl (local.get $row) (i32.const 3)))
    (if (i32.ne (i32.load $marks offset=67584 (local.get $edge)) (i32.or (local.get $putter) (i32.const 4)))
      (then (return (i32.const -2))))
    (local.set $getter (i32.shl (local.get $getter) (i32.const 4)))
    (if (i32.ne (i32.load $marks offset=67584 (local.get $getter)) (i32.or (local.get $putter) (i32.const 5)))
      (then (return (i32.const -2))))
    (i32.store $marks offset=67584 (local.get $getter) (i32.or (local.get $putter) (i32.const 6)))
    (f64.store $marks offset=67592 (local.get $getter) (f64.load $marks offset=67592 (local.get $edge)))
    (call $notifyPair (local.get $row)))

  (func (export "put") (param $instance i32) (param $handle i32) (param $item f64) (param $timeout f64) (result i32)
    (local $row i32)
    (if (i32.or
          (i32.lt_s (local.tee $row (call $row (local.get $instance) (local.get $handle) (i32.const 4) (i32.const 0))) (i32.const 0))
          (f64.ne (local.get $timeout) (local.get $timeout)))
      (then (return (i32.const -1000))))
    (f64.store $marks offset=67592 (i32.shl (global.get $cur) (i32.const 4)) (local.get $item))
    (call $chanPut (local.get $row) (global.get $cur))
    (call $parked (i32.or (i32.shl (local.get $row) (i32.const 3)) (i32.const 4)) (local.get $timeout)))

  (func (export "get") (param $instance i32) (param $handle i32) (param $out i32) (param $timeout f64) (result i32)
    (local $row i32)
    (if (i32.or
          (i32.lt_s (local.tee $row (call $row (local.get $instance) (local.get $handle) (i32.const 4) (i32.const 0))) (i32.const 0))
          (f64.ne (local.get $timeout) (local.get $timeout)))
      (then (return (i32.const -1000))))
    (i32.store $marks offset=67588 (i32.shl (global.get $cur) (i32.const 4)) (local.get $out))
    (call $chanGet (local.get $row) (global.get $cur))
    (call $parked (i32.or (i32.shl (local.get $row) (i32.const 3)) (i32.const 5)) (local.get $timeout)))
)
