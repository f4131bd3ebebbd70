package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/webhook"
)

const (
	listenWait     = 25 // seconds that the server holds a request, at most what GET /v1/events allows
	forwardTimeout = 30 * time.Second
	againMin       = 250 * time.Millisecond
	againMax       = 5 * time.Second
)

func listenCommand() *cobra.Command {
	var (
		l       = &listener{clock: &clock.Clock{}}
		targets []string
		kinds   []string
		address string
	)
	command := &cobra.Command{
		Use:   "listen --forward-to URL",
		Short: "Bring events to a server on your machine, signed as webhooks are",
		Long: "Bring a merchant's events to servers on your machine, signed as webhooks are, without an address on the\n" +
			"internet. It reads the events with the secret key, goes on where it was when the connection breaks, and waits\n" +
			"for a server of yours that is away: no event is lost while it runs.",
		Example: "  feiqian listen --forward-to http://localhost:3000/feiqian\n" +
			"  feiqian listen --forward-to 'payment.*=http://localhost:3000/pay' " +
			"--forward-to 'refund.*=http://localhost:3000/back'",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			cfg, err := settings(command)
			if err != nil {
				return err
			}
			if l.key, err = merchantKey(cfg, l.key); err != nil {
				return err
			}
			if l.targets, err = readTargets(targets, kinds); err != nil {
				return err
			}
			l.client, l.out = newClient(serverAddress(cfg, address)), command.OutOrStdout()
			return l.run(command.Context())
		},
	}
	flags := command.Flags()
	flags.StringArrayVar(&targets, "forward-to", nil, "`url` of your server, or KINDS=URL; may be given several times")
	flags.StringSliceVar(&kinds, "events", []string{"*"},
		"`kinds` for URLs without their own, like payment.*,refund.succeeded")
	flags.StringVar(&l.key, "key", "", "the merchant's secret `key` (default that of the sandbox's first merchant)")
	flags.StringVar(&address, "url", "", "`url` of the server (default http:// and what --listen says)")
	return command
}

// serverAddress is where the server is.
func serverAddress(cfg config.Config, address string) string {
	if address == "" {
		address = "http://" + cfg.Listen
	}
	return strings.TrimSuffix(address, "/")
}

// merchantKey is the key that was given, or that of the sandbox's first merchant.
func merchantKey(cfg config.Config, key string) (string, error) {
	if key != "" {
		return key, nil
	}
	world, err := app.LoadWorld(cfg)
	if err != nil || len(world.Merchants) == 0 {
		return "", fmt.Errorf("there is no sandbox world in %s; name the merchant's secret key with --key", app.WorldDir(cfg))
	}
	return world.Merchants[0].Key, nil
}

// target is a server and what it wants.
type target struct {
	kinds []string
	url   string
}

// readTargets reads URLs with or without kinds in front.
func readTargets(texts, kinds []string) ([]target, error) {
	if len(texts) == 0 {
		return nil, errors.New("say where events go: --forward-to http://localhost:3000/feiqian")
	}
	var targets []target
	for _, text := range texts {
		to := target{kinds: kinds, url: text}
		if own, address, found := strings.Cut(text, "="); found && !strings.Contains(own, "://") {
			to = target{kinds: strings.Split(own, ","), url: address}
		}
		if parsed, err := url.Parse(to.url); err != nil || parsed.Host == "" || !strings.HasPrefix(parsed.Scheme, "http") {
			return nil, fmt.Errorf("--forward-to: %q is not a URL; write it like http://localhost:3000/feiqian", to.url)
		}
		targets = append(targets, to)
	}
	return targets, nil
}

// listener forwards events.
type listener struct {
	client  *client
	clock   *clock.Clock
	out     io.Writer
	key     string
	targets []target
	secret  []byte
	cursor  string
}

// heard is what is read of an event; Text is all of it.
type heard struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Subject string `json:"subject"`
}

func (l *listener) run(ctx context.Context) error {
	// The secret is the same as long as the key is, so that it can stay in the settings of the merchant's server.
	mac := hmac.New(sha256.New, []byte(l.key))
	mac.Write([]byte("feiqian listen"))
	l.secret = mac.Sum(nil)
	page, err := l.read(ctx, "?start=now")
	if err != nil {
		return err
	}
	l.cursor = page.NextCursor
	fmt.Fprintf(l.out, "\n  Listening at %s. Events are signed with the secret\n\n  %s\n\n", l.client.address,
		webhook.FormatSecret(l.secret))
	for _, to := range l.targets {
		fmt.Fprintf(l.out, "  %s  →  %s\n", strings.Join(to.kinds, ","), to.url)
	}
	fmt.Fprintln(l.out)
	again, away := againMin, false
	for ctx.Err() == nil {
		page, err := l.read(ctx, "?limit=100&wait="+strconv.Itoa(listenWait)+"&cursor="+l.cursor)
		if err != nil {
			if refused, ok := errors.AsType[*refusal](err); ok && refused.Status < http.StatusInternalServerError &&
				refused.Status != http.StatusTooManyRequests {
				return err // the key was revoked, or the like: to ask again does not help
			}
			if !away && ctx.Err() == nil {
				fmt.Fprintf(l.out, "  %s  the server is away; connecting again …\n", l.now())
			}
			away = true
			again = l.pause(ctx, again)
			continue
		}
		if away {
			fmt.Fprintf(l.out, "  %s  connected again\n", l.now())
		}
		again, away = againMin, false
		for _, text := range page.Data {
			if !l.forward(ctx, text) {
				return nil
			}
		}
		if page.NextCursor != "" {
			l.cursor = page.NextCursor
		}
	}
	return nil
}

func (l *listener) now() string { return l.clock.Now().Local().Format(time.TimeOnly) }

// read reads a page of events; without a cursor from the first one on.
func (l *listener) read(ctx context.Context, query string) (api.Page[json.RawMessage], error) {
	query = strings.TrimSuffix(query, "&cursor=")
	return fetch[api.Page[json.RawMessage]](ctx, l.client, l.key, "/v1/events"+query)
}

// pause waits and returns how long to wait the next time.
func (*listener) pause(ctx context.Context, d time.Duration) time.Duration {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return min(2*d, againMax)
}

// forward brings one event to everybody who wants it; false when ctx ended before.
func (l *listener) forward(ctx context.Context, text []byte) bool {
	var event heard
	if err := json.Unmarshal(text, &event); err != nil {
		fmt.Fprintf(l.out, "  %s  an event can't be read: %v\n", l.now(), err)
		return true
	}
	for _, to := range l.targets {
		if !webhook.Matches(to.kinds, event.Kind) {
			continue
		}
		for again, told := againMin, false; ; {
			begun := l.clock.Now()
			status, err := l.send(ctx, to.url, event.ID, text)
			if err == nil {
				fmt.Fprintf(l.out, "  %s  %-28s %-32s %d  %d ms  %s\n", l.now(), event.Kind, event.Subject, status,
					l.clock.Now().Sub(begun).Milliseconds(), to.url)
				break
			}
			if ctx.Err() != nil {
				return false
			}
			if !told {
				fmt.Fprintf(l.out, "  %s  %-28s %-32s waits: no answer from %s\n", l.now(), event.Kind, event.Subject, to.url)
			}
			told = true
			again = l.pause(ctx, again)
		}
	}
	return true
}

// send sends one event as a webhook and returns the status. Errors: there was no answer.
func (l *listener) send(ctx context.Context, to, name string, body []byte) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("write the request: %w", err)
	}
	now := l.clock.Now()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Webhook-Id", name)
	request.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	request.Header.Set("Webhook-Signature", webhook.Sign(l.secret, name, now, body))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("forward: %w", err)
	}
	_, _ = io.CopyN(io.Discard, answer.Body, demoAnswerMax)
	return answer.StatusCode, answer.Body.Close() //nolint:wrapcheck // closing what was read
}
