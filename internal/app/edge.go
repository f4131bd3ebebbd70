package app

import (
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/outbox"
)

// wireEdge makes the blocks and the detectors.
func (a *App) wireEdge(events *outbox.Outbox) error {
	proxies, err := a.Config.Proxies()
	if err != nil {
		return err
	}
	a.Blocks = edge.NewBlocks(edge.Parts{
		Committer: a.Committer, DB: a.DB, Clock: a.Clock, Outbox: events, Guarded: proxies,
	})
	a.Watch = edge.NewWatch(edge.Rules(), a.Blocks, a.Clock, a.log)
	return nil
}

// guards are what stands in front of the doors; who was blocked before the start is blocked from the first request on.
func (a *App) guards(ctx context.Context, registry *prometheus.Registry) (api.Edge, error) {
	firewall, err := edge.NewWAF(edge.WAFMode(a.Config.WAF), a.log)
	if err != nil {
		return api.Edge{}, err
	}
	registry.MustRegister(slices.Concat(a.Blocks.Collectors(), a.Watch.Collectors())...)
	if firewall != nil {
		registry.MustRegister(firewall.Collectors()...)
	}
	return api.Edge{
		Blocks: a.Blocks, Watch: a.Watch, WAF: firewall, Rates: edge.Scaled(a.Config.RateFactor),
		Connections: &edge.Connections{
			Max: a.Config.ConnectionsMax, PerAddressMax: a.Config.ConnectionsPerAddress, Guarded: a.Blocks.Guarded,
		},
	}, a.Blocks.Refresh(ctx)
}
