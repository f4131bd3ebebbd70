// Command feiqian is the whole platform in one binary: server, sandbox world, demo, bench and the
// tools that check the books.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/fault"
)

var version = "development" // the linker sets it

// gcPercent trades memory for time: the live heap is small (tens of megabytes) and payments make
// garbage at a high rate. More than this shows no gain and passes 300 MiB under load.
const gcPercent = 300

func main() {
	if previous := debug.SetGCPercent(gcPercent); previous != 100 {
		debug.SetGCPercent(previous) // GOGC was set by hand
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "feiqian:", explain(err))
	os.Exit(1)
}

// explain says what went wrong and what to do next.
func explain(err error) string {
	known, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		return err.Error()
	}
	text := known.Message + " (" + known.Code + ")"
	if known.Err != nil {
		text += ": " + known.Err.Error()
	}
	if known.Hint != "" {
		text += "\n  " + known.Hint
	}
	return text
}

func root() *cobra.Command {
	command := &cobra.Command{
		Use:           "feiqian",
		Short:         "Feiqian (飞钱), a digital payment platform in one binary",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	config.AddFlags(command.PersistentFlags())
	command.PersistentFlags().String("config", "", "settings file (default feiqian.toml, if there is one)")
	command.AddCommand(
		serveCommand(), demoCommand(), benchCommand(), verifyCommand(), verifyReceiptCommand(), migrateCommand(),
		staffCommand(), keysCommand(), listenCommand(), triggerCommand(), signCommand(),
	)
	return command
}

// settings loads the settings of a command and sets up the log.
func settings(command *cobra.Command) (config.Config, error) {
	file, err := command.Flags().GetString("config")
	if err != nil {
		return config.Config{}, fmt.Errorf("read flags: %w", err)
	}
	cfg, err := config.Load(file, command.Flags())
	if err != nil {
		return cfg, err
	}
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	var handler slog.Handler = slog.NewTextHandler(os.Stderr, options)
	if cfg.LogFormat == "json" {
		handler = slog.NewJSONHandler(os.Stderr, options)
	}
	slog.SetDefault(slog.New(api.LogHandler(handler)))
	return cfg, nil
}
