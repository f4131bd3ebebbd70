package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of connections.
const (
	headerTimeout  = 5 * time.Second
	idleTimeout    = 2 * time.Minute
	writeSlack     = 10 * time.Second // to send the answer of a request that used all its time
	headerMaxBytes = 16 << 10
)

// Serve answers requests on the listener until ctx ends. Then it is not ready any more, takes no new connections,
// and gives requests under way ShutdownTimeout to end. Errors: the listener broke, or requests were cut off.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	// Requests under way outlive ctx: their money may be half way.
	lasting := context.WithoutCancel(ctx)
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       s.options.RequestTimeout,
		WriteTimeout:      s.options.RequestTimeout + writeSlack,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerMaxBytes,
		BaseContext:       func(net.Listener) context.Context { return lasting },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if s.options.OnShutdown != nil {
		server.RegisterOnShutdown(s.options.OnShutdown)
	}
	if connections := s.options.Edge.Connections; connections != nil {
		listener = connections.Listen(listener)
	}
	broken := make(chan error, 1)
	go func() { broken <- server.Serve(listener) }()
	select {
	case err := <-broken:
		return fmt.Errorf("serve %s: %w; see whether something else uses the port", listener.Addr(), err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	grace, cancel := context.WithTimeout(lasting, s.options.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("requests under way were cut off: %w", err), server.Close())
	}
	return nil
}
