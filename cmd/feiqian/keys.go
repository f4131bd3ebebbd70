package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/vault"
)

func keysCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "keys",
		Short: "Data keys that seal card numbers and documents: list, rotate, retire (数据密钥)",
		Args:  cobra.NoArgs,
	}
	var asJSON bool
	list := &cobra.Command{
		Use: "list", Short: "List data keys with the rows under each", Args: cobra.NoArgs,
		RunE: withVault(func(ctx context.Context, v keyRoom, out io.Writer, _ []string) error {
			keys, err := v.Keys(ctx)
			if err != nil {
				return err
			}
			return printKeys(out, keys, asJSON)
		}),
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	command.AddCommand(list,
		&cobra.Command{
			Use:   "rotate PURPOSE",
			Short: "Make a new data key; a running server seals older rows again",
			Args:  cobra.ExactArgs(1),
			RunE: withVault(func(ctx context.Context, v keyRoom, out io.Writer, args []string) error {
				key, err := v.Rotate(ctx, args[0], v.record(ctx, "key.rotated", args[0]))
				if err != nil {
					return err
				}
				return printKeys(out, []vault.Key{key}, false)
			}),
		},
		&cobra.Command{
			Use: "retire PURPOSE VERSION", Short: "Destroy an old data key for good, if no row is under it",
			Args: cobra.ExactArgs(2),
			RunE: withVault(func(ctx context.Context, v keyRoom, out io.Writer, args []string) error {
				version, err := strconv.ParseInt(args[1], 10, 32)
				if err != nil {
					return errVersion
				}
				key, err := v.Retire(ctx, args[0], version, v.record(ctx, "key.retired", fmt.Sprintf("%s/%d", args[0], version)))
				if err != nil {
					return err
				}
				return printKeys(out, []vault.Key{key}, false)
			}),
		})
	return command
}

var errVersion = errors.New("the version is a number, as `feiqian keys list` shows it")

// keyRoom is a vault on its database, with the audit trail of what the command does there.
type keyRoom struct {
	*vault.Vault
	trail *audit.Trail
}

// record returns what writes the record of an act in the act's own transaction.
func (k keyRoom) record(ctx context.Context, kind, subject string) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		return k.trail.WriteIn(ctx, tx, audit.Act{Kind: kind, Subject: subject, Reason: "a command on the machine"})
	}
}

// withVault runs fn beside a running server or without one, with its vault attached to its database.
func withVault(
	fn func(ctx context.Context, v keyRoom, out io.Writer, args []string) error,
) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, args []string) error {
		cfg, err := settings(command)
		if err != nil {
			return err
		}
		ctx := command.Context()
		db, err := connectExisting(ctx, cfg)
		if err != nil {
			return err
		}
		defer db.Close()
		if err := db.RequireSchema(ctx); err != nil {
			return err
		}
		keys, err := vault.Open(cfg.VaultKeyFile)
		if err != nil {
			return err
		}
		clk := &clock.Clock{}
		if cfg.Mode == config.Sandbox {
			if err := app.RestoreClock(cfg, clk); err != nil {
				return err
			}
		}
		closeStore, err := app.AttachVault(ctx, cfg, keys, db, clk)
		if err != nil {
			return err
		}
		defer closeStore()
		room := keyRoom{Vault: keys, trail: audit.New(commit.New(db, clk, commit.Options{}), db, clk)}
		return fn(ctx, room, command.OutOrStdout(), args)
	}
}

func printKeys(out io.Writer, keys []vault.Key, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(keys)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PURPOSE\tVERSION\tSTATE\tKEY STORE\tROWS\tCREATED")
	for _, key := range keys {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%d\t%s\n", key.Purpose, key.Version, key.State, key.Store, key.Rows,
			key.CreatedAt.Format("2006-01-02 15:04:05 MST"))
	}
	return table.Flush()
}
