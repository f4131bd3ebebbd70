package app

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"

	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/card/issuerhttp"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/channel/bankhttp"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/sandbox/issuer"
)

const issuerFile = "issuer.db"

// Issuers are the ways to the sandbox's card issuer: to bind cards, and to debit and credit them.
type Issuers struct {
	Server  *issuer.Server
	Binding card.Issuer
	Orders  channel.Channel
}

// StartIssuer starts the sandbox's card issuer of the world and returns the ways to it.
func StartIssuer(ctx context.Context, cfg config.Config, world World, clk *clock.Clock) (Issuers, error) {
	server, err := issuer.Start(ctx, issuer.Config{
		Listen:       cfg.SandboxIssuerListen,
		DatabasePath: filepath.Join(WorldDir(cfg), issuerFile),
		Keys:         world.Issuer,
		Clock:        clk,
		NotifyURL:    "http://" + cfg.Listen + "/channels/" + card.Channel + "/notices",
	})
	if err != nil {
		return Issuers{}, err
	}
	client := &http.Client{Timeout: bankTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	binding, err := issuerhttp.New(issuerhttp.Config{
		BaseURL: server.URL(), Key: world.Issuer.Platform, IssuerKey: world.Issuer.Issuer.Public(), Clock: clk,
		Client: client,
	})
	if err != nil {
		return Issuers{}, errors.Join(err, server.Close())
	}
	orders, err := bankhttp.NewCards(bankhttp.Config{
		Name: card.Channel, BaseURL: server.URL(), Key: world.Issuer.Platform, BankKey: world.Issuer.Issuer.Public(),
		Clock: clk, Client: client,
	})
	if err != nil {
		return Issuers{}, errors.Join(err, server.Close())
	}
	return Issuers{Server: server, Binding: binding, Orders: orders}, nil
}

// ConnectIssuer gives the instance the way to card issuers; call it before Run. Without it no card can be bound.
func (a *App) ConnectIssuer(way card.Issuer) { a.Cards.Issuer = way }
