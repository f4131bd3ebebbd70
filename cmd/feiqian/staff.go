package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/party"
)

func staffCommand() *cobra.Command {
	command := &cobra.Command{Use: "staff", Short: "People of the operator", Args: cobra.NoArgs}
	command.AddCommand(staffAddCommand())
	return command
}

func staffAddCommand() *cobra.Command {
	var person party.NewStaff
	command := &cobra.Command{
		Use:   "add",
		Short: "Make a person of the staff, beside a running server or without one",
		Long: "Make a person of the staff, beside a running server or without one. The password is asked for on the " +
			"terminal,\nor read from the first line of standard input; it is never an argument.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return errArgument // and does not repeat it: it may be the password
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error {
			cfg, err := settings(command)
			if err != nil {
				return err
			}
			return addStaff(command, cfg, person)
		},
	}
	command.Flags().StringVar(&person.Email, "email", "", "`address` to sign in with")
	command.Flags().StringVar(&person.Name, "name", "", "`name` of the person")
	command.Flags().
		StringVar((*string)(&person.Role), "role", "", "`role`: admin, finance, risk, compliance, support or auditor")
	command.Flags().StringVar(&person.Person, "person", "",
		"which human it is, the `same` for all accounts of one (default the address)")
	for _, name := range []string{"email", "name", "role"} {
		if err := command.MarkFlagRequired(name); err != nil {
			panic(err) // there is no such flag
		}
	}
	return command
}

// addStaff asks for the password when all else is right.
func addStaff(command *cobra.Command, cfg config.Config, person party.NewStaff) error {
	ctx := command.Context()
	if err := person.Check(); err != nil {
		return err
	}
	db, err := connectExisting(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.RequireSchema(ctx); err != nil {
		return err
	}
	password, err := readPassword(ctx, command.InOrStdin(), command.ErrOrStderr())
	if err != nil {
		return err
	}
	made, err := app.AddStaff(ctx, db, cfg.Mode, auth.NewStaff{
		Email: person.Email, Name: person.Name, Role: person.Role, Person: person.Person, Password: password,
	})
	if err != nil {
		return err
	}
	printStaff(command.OutOrStdout(), cfg, made)
	return nil
}

func printStaff(out io.Writer, cfg config.Config, made party.Staff) {
	fmt.Fprintf(out, "%s  %s  %s  %s\n\nNext:\n", made.ID, made.Email, made.Role, masked(cfg))
	fmt.Fprintf(out, "  1. Start the server on this database, if it does not run:  feiqian serve --mode %s\n", cfg.Mode)
	fmt.Fprintf(out, "  2. Sign in; the token in the answer is good for 12 hours:\n")
	fmt.Fprintf(out, "     curl -s http://%s/ops/v1/login -H 'Content-Type: application/json' "+
		"-d '{\"email\":\"%s\",\"password\":\"…\"}'\n", cfg.Listen, made.Email)
	if auth.Can(made.Role, auth.WriteMerchants) {
		fmt.Fprintln(out, "  3. Make a merchant (POST /ops/v1/merchants) and its key (POST /ops/v1/merchants/{id}/keys).")
	}
	fmt.Fprintf(out, "What each role may do stands in docs/operating.md under Staff routes.\n")
}

var (
	errArgument = errors.New("this command takes flags only; the password is asked for on the terminal, " +
		"or read from standard input")
	errNoPassword = errors.New("there is no password on standard input; write it as the first line, " +
		"or run the command on a terminal to be asked")
	errInterrupted  = errors.New("interrupted; nobody was made")
	errTwoPasswords = errors.New("the two passwords differ; run the command again")
)

// passwordMax is the longest line that is read, in bytes; package auth has the limit of passwords.
const passwordMax = 4096

// readPassword asks on a terminal, twice and without showing it, or reads the first line of what is no terminal.
func readPassword(ctx context.Context, in io.Reader, prompt io.Writer) (string, error) {
	if file, isFile := in.(*os.File); isFile && term.IsTerminal(int(file.Fd())) {
		return askPassword(ctx, int(file.Fd()), prompt)
	}
	line, err := bufio.NewReader(io.LimitReader(in, passwordMax)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errNoPassword
	}
	return line, nil
}

func askPassword(ctx context.Context, terminal int, prompt io.Writer) (string, error) {
	first, err := hiddenLine(ctx, terminal, prompt, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := hiddenLine(ctx, terminal, prompt, "Again: ")
	if err == nil && again != first {
		err = errTwoPasswords
	}
	return first, err
}

// hiddenLine reads one line without showing it. Ctrl-C ends ctx and not the reading, so that the terminal
// can be put right before the program ends.
func hiddenLine(ctx context.Context, terminal int, prompt io.Writer, question string) (string, error) {
	before, err := term.GetState(terminal)
	if err != nil {
		return "", fmt.Errorf("ask for the password: %w", err)
	}
	fmt.Fprint(prompt, question)
	defer fmt.Fprintln(prompt)
	type answer struct {
		line []byte
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(terminal)
		read <- answer{line: line, err: err}
	}()
	select {
	case got := <-read:
		if got.err != nil {
			return "", fmt.Errorf("read the password: %w", got.err)
		}
		return string(got.line), nil
	case <-ctx.Done():
		return "", errors.Join(errInterrupted, term.Restore(terminal, before))
	}
}
