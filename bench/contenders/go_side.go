// The Go side of go.ts: reads `work argument...`, answers `count nanoseconds`.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// One goroutine sends `total` items over a channel with room for `room`, another receives them.
func hand(room, total int) (int, int64) {
	items := make(chan int, room)
	start := time.Now()
	go func() {
		for i := 0; i < total; i++ {
			items <- i
		}
	}()
	seen := 0
	for i := 0; i < total; i++ {
		<-items
		seen++
	}
	return seen, time.Since(start).Nanoseconds()
}

// Two goroutines and two channels with room for one: each signals the other and waits for its own.
func pingPong(total int) (int, int64) {
	a, b := make(chan struct{}, 1), make(chan struct{}, 1)
	done := make(chan int, 2)
	body := func(mine, other chan struct{}) {
		seen := 0
		for i := 0; i < total/2; i++ {
			other <- struct{}{}
			<-mine
			seen++
		}
		done <- seen
	}
	start := time.Now()
	go body(a, b)
	go body(b, a)
	seen := <-done + <-done
	return seen, time.Since(start).Nanoseconds()
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Fields(in.Text())
		args := make([]int, len(words)-1)
		for i, word := range words[1:] {
			args[i], _ = strconv.Atoi(word)
		}
		var count int
		var spent int64
		switch words[0] {
		case "hand":
			count, spent = hand(args[0], args[1])
		case "ping_pong":
			count, spent = pingPong(args[0])
		}
		fmt.Println(count, spent)
	}
}
