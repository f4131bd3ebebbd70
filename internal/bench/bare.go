package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// bare is what the machine gives at best: requests a second of a net/http server that only sends the body back, under
// the same load generator, and the time of one fdatasync of a small write. Machines differ and shared ones drift; a
// rate is understood beside them.
type bare struct {
	requestsPerSecond float64
	syncMillis        float64
}

const (
	bareTime    = 2 * time.Second
	bareClients = 64
	bareSyncs   = 100
	bareWrite   = 64 << 10
)

func measureBare(ctx context.Context) (bare, error) {
	var b bare
	var err error
	if b.requestsPerSecond, err = bareRequests(ctx); err != nil {
		return b, err
	}
	b.syncMillis, err = bareSync()
	return b, err
}

func bareRequests(ctx context.Context) (float64, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("measure the machine: %w", err)
	}
	echo := &http.Server{
		ReadHeaderTimeout: answerWait,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body)
		}),
	}
	go func() { _ = echo.Serve(listener) }()
	defer echo.Close()
	var done atomic.Int64
	var clients sync.WaitGroup
	end := time.Now().Add(bareTime)
	for range bareClients {
		link, err := dial(ctx, listener.Addr().String())
		if err != nil {
			return 0, err
		}
		clients.Go(func() {
			defer link.conn.Close()
			for time.Now().Before(end) {
				if _, err := link.post("/", "token", "key", []byte(`{"amount":1999,"currency":"CNY"}`)); err != nil {
					return
				}
				done.Add(1)
			}
		})
	}
	clients.Wait()
	return float64(done.Load()) / bareTime.Seconds(), nil
}

func bareSync() (float64, error) {
	dir, err := os.MkdirTemp("", "feiqian-bench-")
	if err != nil {
		return 0, fmt.Errorf("measure the machine: %w", err)
	}
	defer os.RemoveAll(dir)
	file, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, fmt.Errorf("measure the machine: %w", err)
	}
	defer file.Close()
	block := make([]byte, bareWrite)
	begun := time.Now()
	for range bareSyncs {
		if _, err := file.Write(block); err != nil {
			return 0, fmt.Errorf("measure the machine: %w", err)
		}
		if err := file.Sync(); err != nil {
			return 0, fmt.Errorf("measure the machine: %w", err)
		}
	}
	return time.Since(begun).Seconds() * 1000 / bareSyncs, nil
}
