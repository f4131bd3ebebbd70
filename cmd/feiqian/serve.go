package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/pprof"
	"strings"

	"github.com/spf13/cobra"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/party"
)

func serveCommand() *cobra.Command {
	var profile string
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run the platform; in the sandbox also the simulated world around it",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			cfg, err := settings(command)
			if err != nil {
				return err
			}
			stop, err := profileTo(profile)
			if err != nil {
				return err
			}
			defer stop()
			return serve(command.Context(), cfg, command.OutOrStdout())
		},
	}
	command.Flags().StringVar(&profile, "cpu-profile", "",
		"write a CPU profile of the whole run to this file (go tool pprof)")
	return command
}

// profileTo starts a CPU profile; an empty name does nothing.
func profileTo(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("write the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, fmt.Errorf("write the profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close()
	}, nil
}

func serve(ctx context.Context, cfg config.Config, out io.Writer) error {
	slog.InfoContext(ctx, "settings", slog.Any("config", cfg))
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("can't listen on %s: %w; stop what uses the port or choose another with --listen", cfg.Listen, err)
	}
	clk := &clock.Clock{}
	var (
		world     app.World
		outside   app.Outside
		verifiers []identity.Verifier
		cards     card.Issuer
		issuers   string
	)
	if cfg.Mode == config.Sandbox { //nolint:nestif // one party after the other
		if world, err = app.OpenWorld(cfg); err != nil {
			return err
		}
		if err := app.RestoreClock(cfg, clk); err != nil {
			return err
		}
		bank, route, err := app.StartBank(ctx, cfg, world, clk)
		if err != nil {
			return err
		}
		defer bank.Close()
		outside.Channels = append(outside.Channels, route)
		centre, sender, err := app.StartSMS(ctx, cfg, world, clk)
		if err != nil {
			return err
		}
		defer centre.Close() //nolint:contextcheck // it has a time of its own
		outside.Sender = sender
		authority, people, err := app.StartAuthority(ctx, cfg, world, clk)
		if err != nil {
			return err
		}
		defer authority.Close()
		verifiers = people
		issuer, err := app.StartIssuer(ctx, cfg, world, clk)
		if err != nil {
			return err
		}
		defer issuer.Server.Close()
		cards, issuers = issuer.Binding, issuer.Server.URL()
		outside.Channels = append(outside.Channels, issuer.Orders)
	}
	instance, err := app.NewWith(ctx, cfg, clk, version, outside)
	if err != nil {
		return err
	}
	defer instance.Close()
	instance.Identity.Register(verifiers...)
	instance.ConnectIssuer(cards)
	if cfg.Mode == config.Sandbox {
		if err := instance.Seed(ctx, &world); err != nil {
			return err
		}
		printWorld(out, cfg, world, worldScreen{logKey: instance.Log.Key(), issuer: issuers})
	} else if err := printLive(ctx, out, listener.Addr().String(), instance); err != nil {
		return err
	}
	err = instance.Run(ctx, listener)
	fmt.Fprintln(os.Stderr, "feiqian: stopped")
	return err
}

// printLive prints where a live instance serves and what it lacks; the log says the latter too.
func printLive(ctx context.Context, out io.Writer, address string, instance *app.App) error {
	missing, err := instance.Missing(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n  Feiqian 飞钱 %s — live\n\n", version)
	fmt.Fprintf(out, "  API        http://%s      docs http://%s/docs\n", address, address)
	fmt.Fprintf(out, "  Database   %s\n", masked(instance.Config))
	fmt.Fprintf(out, "  Receipts are signed by  %s\n\n", instance.Log.Key())
	for _, what := range missing {
		fmt.Fprintf(out, "  Missing:   %s\n", what)
		slog.WarnContext(ctx, "this instance lacks something", slog.String("missing", what))
	}
	fmt.Fprintln(out)
	return nil
}

// worldScreen is what the screen of a sandbox shows beside its people.
type worldScreen struct{ logKey, issuer string }

// printWorld prints the one screen that a newcomer needs.
func printWorld(out io.Writer, cfg config.Config, world app.World, more worldScreen) {
	address := "http://" + cfg.Listen
	fmt.Fprintf(out, "\n  Feiqian 飞钱 %s — sandbox\n\n", version)
	fmt.Fprintf(out, "  API        %s      docs %s/docs   openapi %s/openapi.json\n", address, address, address)
	fmt.Fprintf(out, "  Health     %s/healthz /readyz /metrics\n", address)
	fmt.Fprintf(out, "  Bank       http://%s   (simulated; magic amounts: /control/magic_amounts)\n", cfg.SandboxListen)
	fmt.Fprintf(out, "  Authority  http://%s   (simulated; people: /control/people)\n", cfg.AuthorityListen)
	fmt.Fprintf(
		out,
		"  Cards      %s   (simulated issuer; cards: /control/cards, codes sent: /control/codes)\n",
		more.issuer,
	)
	fmt.Fprintf(
		out,
		"  Texts      http://%s/control/messages?phone=%%2B8613800000001   (simulated SMS centre)\n",
		cfg.SandboxSMSListen,
	)
	fmt.Fprintf(out, "  Database   %s\n\n", masked(cfg))
	fmt.Fprintf(out, "  %-10s %-16s %-18s %s\n", "Customer", "phone", "password", "PIN")
	for _, c := range world.Customers {
		fmt.Fprintf(out, "  %-10s %-16s %-18s %s\n", c.Name, c.Phone, c.Password, c.PIN)
	}
	fmt.Fprintf(out, "\n  %-14s %s\n", "Merchant", "secret key")
	for _, m := range world.Merchants {
		fmt.Fprintf(out, "  %-14s %s\n", m.Name, m.Key)
	}
	fmt.Fprintf(out, "  Owners (/merchant/v1/login)%s\n", owners(world.Merchants))
	fmt.Fprintf(
		out,
		"\n  Staff, two of each role: what one proposes, the other approves (双人复核)\n"+
			"  Authenticator app of staff and owners: secret %s\n",
		app.SandboxTOTP,
	)
	for _, role := range party.Roles() {
		printColleagues(out, world.Staff, role)
	}
	fmt.Fprintf(out, "\n  Receipts are signed by  %s\n\n  Try:\n", more.logKey)
	customer, merchant := world.Customers[0], world.Merchants[0]
	fmt.Fprintf(out, "  curl -s %s/wallet/v1/codes -H 'Content-Type: application/json' "+
		"-d '{\"phone\":\"%s\",\"purpose\":\"sign_in\"}'     # then read the text above\n", address, customer.Phone)
	fmt.Fprintf(out, "  curl -s %s/wallet/v1/login -H 'Content-Type: application/json' "+
		"-d '{\"phone\":\"%s\",\"password\":\"%s\",\"code_id\":\"otc_…\",\"code\":\"…\"}'\n",
		address, customer.Phone, customer.Password)
	fmt.Fprintf(out, "  curl -s %s/v1/payments -H 'Authorization: Bearer %s' -H \"Idempotency-Key: $(date +%%s)\" "+
		"-H 'Content-Type: application/json' -d '{\"amount\":1999,\"currency\":\"%s\",\"description\":\"tea\"}'\n",
		address, merchant.Key, cfg.Currency)
	fmt.Fprintf(out, "  curl -s %s/v1/events -H 'Authorization: Bearer %s'\n\n", address, merchant.Key)
	fmt.Fprintf(out, "  Or see it all at once:  bin/feiqian demo        Stop with Ctrl-C.\n\n")
}

// owners lists the merchants' owners with their passwords.
func owners(merchants []app.WorldMerchant) string {
	var line strings.Builder
	for _, m := range merchants {
		fmt.Fprintf(&line, "   %s %s", m.OwnerEmail, m.OwnerPassword)
	}
	return line.String()
}

// printColleagues prints the people of one role with their passwords in a line.
func printColleagues(out io.Writer, staff []app.WorldStaff, role party.Role) {
	var line strings.Builder
	for _, p := range staff {
		if p.Role == role {
			fmt.Fprintf(&line, "  %-25s %-18s", p.Email, p.Password)
		}
	}
	if line.Len() > 0 {
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
}

// masked returns the database as settings show it.
func masked(cfg config.Config) string {
	for _, line := range cfg.Lines() {
		var name, value string
		if n, _ := fmt.Sscanf(line, "%s = %s", &name, &value); n == 2 && name == "database" {
			return value
		}
	}
	return "(see settings)"
}
