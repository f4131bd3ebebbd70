package api

import (
	"context"

	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/fault"
)

// ReadyCheck is one thing that must work before requests are welcome.
type ReadyCheck struct {
	// Name is shown when it fails: database.
	Name string
	// Run returns an error for the log, or nil.
	Run func(ctx context.Context) error
}

// Health says that the process lives, or is ready.
type Health struct {
	State string `json:"state" enum:"alive,ready" doc:"alive: the process runs; ready: it takes requests."`
}

// healthEndpoints are the routes that load balancers ask.
func (s *Server) healthEndpoints() []Endpoint {
	return []Endpoint{
		Handle(Route{
			Method: "GET", Path: "/healthz", Actor: ActorPublic, Class: edge.ClassNone, Name: "get_health", Tag: "Health",
			Summary: "Whether the process lives",
		}, func(context.Context, *struct{}) (*Health, error) { return &Health{State: "alive"}, nil }),
		Handle(Route{
			Method: "GET", Path: "/readyz", Actor: ActorPublic, Class: edge.ClassNone, Name: "get_readiness", Tag: "Health",
			Summary: "Whether requests are welcome",
		}, s.ready),
	}
}

// ready asks all checks. Errors: health.draining, health.not_ready.
func (s *Server) ready(ctx context.Context, _ *struct{}) (*Health, error) {
	if s.draining.Load() {
		return nil, fault.New(fault.Unavailable, "health.draining", "this node is going away")
	}
	for _, check := range s.options.Ready {
		if err := check.Run(ctx); err != nil {
			return nil, fault.Newf(fault.Unavailable, "health.not_ready", "%s is not ready", check.Name).WithCause(err)
		}
	}
	return &Health{State: "ready"}, nil
}
