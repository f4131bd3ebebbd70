package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/sqldb"
)

func verifyCommand() *cobra.Command {
	var (
		asJSON bool
		keys   []string

		auditKeys []string
	)
	command := &cobra.Command{
		Use:   "verify",
		Short: "Check every invariant of the books, their log and the audit trail; exit 1 and name what is off",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			cfg, err := settings(command)
			if err != nil {
				return err
			}
			if len(keys) == 0 {
				if own, err := ownLogKey(cfg); err == nil {
					keys = []string{own}
				}
			}
			if len(auditKeys) == 0 {
				if own, err := ownAuditKey(cfg); err == nil {
					auditKeys = []string{own}
				}
			}
			db, err := connectExisting(command.Context(), cfg)
			if err != nil {
				return err
			}
			defer db.Close()
			bar := progressbar.NewOptions64(-1,
				progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("transfers"),
				progressbar.OptionShowCount(), progressbar.OptionThrottle(progressEvery), progressbar.OptionClearOnFinish())
			progress := func(done, total int64) {
				bar.ChangeMax64(total)
				_ = bar.Set64(done)
			}
			options := ledger.VerifyOptions{TrustedKeys: keys, Progress: progress}
			var report wholeReport
			report.Report, err = ledger.Verify(command.Context(), db, options)
			if err != nil {
				return err
			}
			bar.Reset()
			bar.Describe("audit records")
			trail := audit.VerifyOptions{TrustedKeys: auditKeys, Progress: progress}
			report.Audit, err = audit.Verify(command.Context(), db, trail)
			_ = bar.Finish()
			if err != nil {
				return err
			}
			return printReport(command.OutOrStdout(), report, asJSON)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	command.Flags().StringSliceVar(&keys, "key", nil,
		"verifier keys of the log (default: this instance's, where its vault key file is at hand)")
	command.Flags().StringSliceVar(&auditKeys, "audit-key", nil,
		"verifier keys of the audit trail (default: this instance's, where its vault key file is at hand)")
	return command
}

// wholeReport is what both checks found.
type wholeReport struct {
	ledger.Report

	Audit audit.Report `json:"audit"`
}

// connectExisting connects to the database of the settings; to open a SQLite file that is not there would make it.
func connectExisting(ctx context.Context, cfg config.Config) (*sqldb.DB, error) {
	if file, isFile := strings.CutPrefix(cfg.Database, "sqlite:"); isFile {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("there is no database: %w; name it with --database, or make it with feiqian migrate", err)
		}
	}
	return sqldb.Connect(ctx, cfg.Database)
}

var (
	errBooks = errors.New("the books do not hold")
	errTrail = errors.New("the audit trail does not hold")
)

func printAuditText(out io.Writer, report audit.Report) {
	for _, f := range report.Failures {
		fmt.Fprintf(out, "FAIL  audit %-4s %s  %s\n", f.Check, f.Subject, f.Message)
	}
	if report.FailuresMore > 0 {
		fmt.Fprintf(out, "FAIL  and %d more\n", report.FailuresMore)
	}
	signed := "every head is signed by the trusted key"
	if !report.SignaturesChecked {
		signed = "signatures were not checked (give --audit-key)"
	}
	if report.OK() {
		fmt.Fprintf(out, "OK    audit trail: %d records in the chain, %d wait for their place; %s\n",
			report.Records, report.Waiting, signed)
	}
}

func printReport(out io.Writer, report wholeReport, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(report); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	} else {
		printAuditText(out, report.Audit)
		printReportText(out, report.Report)
	}
	switch {
	case !report.OK():
		return errBooks
	case !report.Audit.OK():
		return errTrail
	}
	return nil
}

func printReportText(out io.Writer, report ledger.Report) {
	for _, f := range report.Failures {
		fmt.Fprintf(out, "FAIL  %-10s %s  %s\n", f.Check, f.Subject, f.Message)
	}
	if report.FailuresMore > 0 {
		fmt.Fprintf(out, "FAIL  and %d more\n", report.FailuresMore)
	}
	fmt.Fprintf(out, "%d entries, %d transfers, %d accounts; "+
		"log: %d leaves, %d checkpoints, %d entries wait for their place\n",
		report.Entries, report.Transfers, report.Accounts, report.Leaves, report.Checkpoints, report.Unsequenced)
	for _, t := range report.Totals {
		fmt.Fprintf(out, "%s  debits %s = credits %s   clients' assets %s = claims %s   mirror %s\n",
			t.Currency, t.DebitsPosted, t.CreditsPosted, t.ClientAssets, t.ClientClaims, t.Mirror)
	}
	switch {
	case !report.OK():
	case report.SignaturesChecked:
		fmt.Fprintln(out, "OK    every invariant holds, every checkpoint is signed by the trusted key")
	default:
		fmt.Fprintln(out, "OK    every invariant holds; signatures were not checked (give --key)")
	}
}

func verifyReceiptCommand() *cobra.Command {
	var key string
	command := &cobra.Command{
		Use:   "verify-receipt FILE",
		Short: "Check a receipt offline; - reads standard input",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			data, err := readFile(args[0], command.InOrStdin())
			if err != nil {
				return err
			}
			proven, err := ledger.VerifyReceipt(data, key)
			if err != nil {
				return err
			}
			printProven(command.OutOrStdout(), proven)
			return nil
		},
	}
	command.Flags().StringVar(&key, "key", "",
		"the log's verifier key, as the operator publishes it (default: the one in the receipt)")
	return command
}

func readFile(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(stdin, ledger.ReceiptSizeMax+1))
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the receipt: %w", err)
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, ledger.ReceiptSizeMax+1))
}

func printProven(out io.Writer, p ledger.Proven) {
	fmt.Fprintf(out, "VALID  entry %s about %s, posted %s (business date %s)\n", p.Entry, p.Subject,
		p.PostedAt.Format("2006-01-02 15:04:05.000000 MST"), p.BusinessOn)
	for _, line := range p.Lines {
		fmt.Fprintf(out, "       %-20s %14s   from %s to %s\n", line.Reason, line.Amount, line.Debit, line.Credit)
	}
	if p.LinesHidden > 0 {
		fmt.Fprintf(out, "       %d more lines are not shown on this receipt\n", p.LinesHidden)
	}
	fmt.Fprintf(out, "       leaf %d of %d in the log %s\n", p.LeafIndex, p.LogSize, p.Origin)
	if p.Trusted {
		fmt.Fprintln(out, "       signed by the key you gave")
	} else {
		fmt.Fprintf(out, "       signed by the key inside the receipt; compare it with the operator's:\n       %s\n", p.Key)
	}
}

func migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Move the database's schema forward to this version",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			cfg, err := settings(command)
			if err != nil {
				return err
			}
			db, err := sqldb.Open(command.Context(), cfg.Database)
			if err != nil {
				return err
			}
			defer db.Close()
			applied, newest, err := db.SchemaVersion(command.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(command.OutOrStdout(), "schema version %d of %d\n", applied, newest)
			return nil
		},
	}
}
