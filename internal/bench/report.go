package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// ReportOptions say what a report measures: every scenario on every database with every number of clients.
type ReportOptions struct {
	Databases []string
	Clients   []int
	Duration  time.Duration
	// Runs of each combination; the one with the median rate is shown.
	Runs     int
	Version  string
	Progress io.Writer
}

// Report measures everything and returns it as Markdown, for docs/benchmarks.md.
func Report(ctx context.Context, o ReportOptions) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s with version %s.\n\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), o.Version)
	fmt.Fprintf(&b, "Machine: %s, %d processors, Linux/%s, %s. Load generator, server and database share it.\n",
		cpuModel(), runtime.NumCPU(), runtime.GOARCH, runtime.Version())
	fmt.Fprintf(&b, "Each row is the median of %d runs of %s after a warm-up of %s, on a fresh database; "+
		"the books were verified after each run.\n\n", o.Runs, o.Duration, warmUp)
	b.WriteString("| scenario | database | clients | per second | lowest–highest | p50 ms | p95 ms | p99 ms | errors | " +
		"decisions a commit | server µs | database µs | clients µs | server MiB | bare HTTP per second | bare sync ms |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	var rates []float64
	for _, scenario := range Scenarios() {
		if scenario == webhookBacklog {
			continue // its table would have other columns
		}
		for _, database := range o.Databases {
			for _, clients := range o.Clients {
				machine, err := measureBare(ctx)
				if err != nil {
					return "", err
				}
				rates = append(rates, machine.requestsPerSecond)
				row, err := reportRow(ctx, o, Options{
					Scenario: scenario, Database: database, Clients: clients, Duration: o.Duration, Progress: io.Discard,
				})
				if err != nil {
					return "", err
				}
				row = strings.TrimSuffix(row, "\n") + fmt.Sprintf(" %.0f | %.2f |\n", machine.requestsPerSecond, machine.syncMillis)
				b.WriteString(row)
				fmt.Fprint(o.Progress, row)
			}
		}
	}
	slices.Sort(rates)
	fmt.Fprintf(
		&b,
		"\nBare HTTP is a net/http server that only sends the body back, under the same load generator "+
			"with %d clients, measured before each row: from %.0f to %.0f requests a second in this report. "+
			"It is the ceiling of any server here, and how much "+
			"it moves says how much the machine does.\n",
		bareClients,
		rates[0],
		rates[len(rates)-1],
	)
	return b.String(), nil
}

func reportRow(ctx context.Context, o ReportOptions, one Options) (string, error) {
	var results []Result
	for range o.Runs {
		r, err := Run(ctx, one)
		if err != nil {
			return "", fmt.Errorf("%s on %s: %w", one.Scenario, one.Database, err)
		}
		results = append(results, r)
	}
	if len(results) == 0 {
		return "", errors.New("a report needs at least one run")
	}
	slices.SortFunc(results, func(a, b Result) int { return int(a.PaymentsPerSecond - b.PaymentsPerSecond) })
	r, low, high := results[len(results)/2], results[0], results[len(results)-1]
	return fmt.Sprintf(
		"| %s | %s | %d | **%.0f** | %.0f–%.0f | %.1f | %.1f | %.1f | %d | %.0f | %.0f | %.0f | %.0f | %.0f |\n",
		r.Scenario,
		r.Database,
		r.Clients,
		r.PaymentsPerSecond,
		low.PaymentsPerSecond,
		high.PaymentsPerSecond,
		r.P50,
		r.P95,
		r.P99,
		r.Errors,
		r.GroupMean,
		r.CPU.Server.MicrosPerAct,
		r.CPU.Database.MicrosPerAct,
		r.CPU.Clients.MicrosPerAct,
		r.ServerMemoryMiB,
	), nil
}

// cpuModel names the processor as the kernel does.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

const (
	reportBegin = "<!-- measured: begin -->\n"
	reportEnd   = "<!-- measured: end -->\n"
)

// WriteReport puts a report between the marks of a Markdown file and leaves the words around it alone.
func WriteReport(file, report string) error {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read %s: %w", file, err)
	}
	before, rest, found := strings.Cut(string(text), reportBegin)
	_, after, closed := strings.Cut(rest, reportEnd)
	if !found || !closed {
		before, after = "# Benchmarks\n\n", ""
	}
	return os.WriteFile(file, []byte(before+reportBegin+report+reportEnd+after), 0o600)
}
