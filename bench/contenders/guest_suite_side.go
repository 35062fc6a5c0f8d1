// The wasmfx suite by goroutines and unbuffered channels, on one processor: suite_side <program> <size> prints result and nanoseconds.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

func c10m(n int) int {
	var wg sync.WaitGroup
	done := 0
	room := make(chan struct{}, 10000)
	for i := 0; i < n; i++ {
		room <- struct{}{}
		wg.Add(1)
		go func() {
			runtime.Gosched()
			done++
			<-room
			wg.Done()
		}()
	}
	wg.Wait()
	return done
}

func node(up chan int, first, size int) {
	if size == 1 {
		up <- first
		return
	}
	children := make(chan int)
	part := size / 10
	for i := 0; i < 10; i++ {
		go node(children, first+i*part, part)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-children
	}
	up <- sum
}

func skynet(n int) int {
	up := make(chan int)
	go node(up, 0, n)
	return <-up
}

func filter(in, out chan int, prime int, quit chan struct{}) {
	for {
		select {
		case x := <-in:
			if x%prime != 0 {
				select {
				case out <- x:
				case <-quit:
					return
				}
			}
		case <-quit:
			return
		}
	}
}

func sieve(n int) int {
	quit := make(chan struct{})
	in := make(chan int)
	go func(out chan int) {
		for x := 2; ; x++ {
			select {
			case out <- x:
			case <-quit:
				return
			}
		}
	}(in)
	prime := 0
	for i := 0; i < n; i++ {
		prime = <-in
		out := make(chan int)
		go filter(in, out, prime, quit)
		in = out
	}
	close(quit)
	return prime
}

func sum(items chan int) int {
	all := 0
	for x := range items {
		all += x
	}
	return all
}

func itersum(n int) int {
	items := make(chan int)
	go func() {
		for i := 0; i < n; i++ {
			items <- i
		}
		close(items)
	}()
	return sum(items)
}

func walk(items chan int, depth, number int) {
	if depth == 0 {
		items <- number
		return
	}
	walk(items, depth-1, number*2)
	walk(items, depth-1, number*2+1)
}

func treesum(depth int) int {
	items := make(chan int)
	go func() {
		walk(items, depth, 0)
		close(items)
	}()
	return sum(items)
}

func main() {
	runtime.GOMAXPROCS(1)
	size, _ := strconv.Atoi(os.Args[2])
	programs := map[string]func(int) int{"c10m": c10m, "skynet": skynet, "sieve": sieve, "itersum": itersum, "treesum": treesum}
	start := time.Now()
	result := programs[os.Args[1]](size)
	fmt.Println(result, time.Since(start).Nanoseconds())
}
