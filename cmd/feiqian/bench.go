package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/feiqian/feiqian/internal/bench"
)

func benchCommand() *cobra.Command {
	var (
		options  bench.Options
		asJSON   bool
		report   string
		runs     int
		postgres string
	)
	command := &cobra.Command{
		Use:   "bench",
		Short: "Measure payments per second over HTTP, on a fresh database; then verify the books",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			cfg, err := settings(command)
			if err != nil {
				return err
			}
			if report != "" {
				return benchReport(command, report, runs, options.Duration, postgres)
			}
			options.Database = cfg.Database
			options.Progress = os.Stderr
			result, err := bench.Run(command.Context(), options)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(command.OutOrStdout()).Encode(result)
			}
			printBench(command, result)
			return nil
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.Scenario, "scenario", "code-payment", fmt.Sprintf("one of %v", bench.Scenarios()))
	flags.IntVar(&options.Clients, "clients", 64, "clients, each with one request under way")
	flags.DurationVar(&options.Duration, "duration", 10*time.Second, "measured time, after a warm-up of two seconds")
	flags.IntVar(&options.Preload, "preload", 0, "payments to store first, to see whether cost grows with history")
	flags.IntVar(&options.Webhooks, "webhooks", 0,
		"a backlog of events to deliver meanwhile (100000 in the scenario webhook-backlog)")
	flags.StringVar(&options.Profile, "cpu-profile", "", "write the server's CPU profile to this file (go tool pprof)")
	flags.StringVar(&report, "report", "", "measure every scenario on both engines and write this Markdown file")
	flags.IntVar(&runs, "runs", 3, "runs of each row of a report; the median is shown")
	flags.StringVar(&postgres, "postgres", "", "PostgreSQL URL for a report; its user may create databases")
	flags.BoolVar(&asJSON, "json", false, "print one JSON object")
	return command
}

// benchReport measures everything, on SQLite and, where there is one, PostgreSQL.
func benchReport(command *cobra.Command, file string, runs int, duration time.Duration, postgres string) error {
	databases := []string{"sqlite:"}
	if postgres != "" {
		databases = append(databases, postgres)
	}
	text, err := bench.Report(command.Context(), bench.ReportOptions{
		Databases: databases, Clients: []int{64, 256}, Duration: duration, Runs: runs, Version: version, Progress: os.Stderr,
	})
	if err != nil {
		return err
	}
	return bench.WriteReport(file, text)
}

func printBench(command *cobra.Command, r bench.Result) {
	t := table.NewWriter()
	t.SetOutputMirror(command.OutOrStdout())
	t.AppendRows([]table.Row{
		{"scenario", r.Scenario},
		{"database", r.Database},
		{"clients", r.Clients},
		{"payments per second", fmt.Sprintf("%.0f", r.PaymentsPerSecond)},
		{"p50 / p95 / p99 ms", fmt.Sprintf("%.1f / %.1f / %.1f", r.P50, r.P95, r.P99)},
		{"errors", r.Errors},
		{"decisions in a commit", fmt.Sprintf("%.0f", r.GroupMean)},
		{"CPU server", fmt.Sprintf("%.2f cores, %.0f µs a payment", r.CPU.Server.Cores, r.CPU.Server.MicrosPerAct)},
		{"CPU database", fmt.Sprintf("%.2f cores, %.0f µs a payment", r.CPU.Database.Cores, r.CPU.Database.MicrosPerAct)},
		{"CPU clients", fmt.Sprintf("%.2f cores, %.0f µs a payment", r.CPU.Clients.Cores, r.CPU.Clients.MicrosPerAct)},
		{"server memory", fmt.Sprintf("%.0f MiB", r.ServerMemoryMiB)},
		{"books", "verified"},
	})
	if r.Webhooks > 0 {
		t.AppendRow(table.Row{"webhooks per second", fmt.Sprintf("%.0f", r.WebhooksPerSecond)})
	}
	if r.FirstError != "" {
		t.AppendRow(table.Row{"first error", r.FirstError})
	}
	t.Render()
}
