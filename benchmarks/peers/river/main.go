// River: one message a job, the job's own state as the status of the message.
//
//	river_peer enqueue COUNT 1
//	river_peer work SIZE 1
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	body       = `{"id": %d, "phone": %d, "text": "The same text for everybody"}`
	firstPhone = 79_000_000_000
)

type sendArgs struct {
	ID int64 `json:"id"`
}

func (sendArgs) Kind() string { return "send" }

// poster returns what posts one message.
func poster(client *http.Client, gateway string) func(context.Context, *river.Job[sendArgs]) error {
	return func(ctx context.Context, job *river.Job[sendArgs]) error {
		id := job.Args.ID
		url, body := fmt.Sprintf("%s/send/%d", gateway, id), fmt.Sprintf(body, id, firstPhone+id)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		request.Header = http.Header{"Authorization": {"Bearer benchmark"}, "Content-Type": {"application/json"}}
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		// Read to its end, or the connection is not kept.
		if _, err = io.Copy(io.Discard, answer.Body); err == nil && answer.StatusCode != http.StatusOK {
			err = fmt.Errorf("the gateway answered %d", answer.StatusCode)
		}
		return err
	}
}

func enqueue(ctx context.Context, pool *pgxpool.Pool, count int) {
	driver := riverpgxv5.New(pool)
	must(must(rivermigrate.New[pgx.Tx](driver, nil)).Migrate(ctx, rivermigrate.DirectionUp, nil))
	jobs := make([]river.InsertManyParams, count)
	for index := range jobs {
		jobs[index].Args = sendArgs{ID: int64(index) + 1}
	}
	must(must(river.NewClient(driver, &river.Config{})).InsertManyFast(ctx, jobs))
}

func work(ctx context.Context, pool *pgxpool.Pool, size int) {
	transport := &http.Transport{MaxIdleConns: size, MaxIdleConnsPerHost: size, DisableCompression: true}
	workers := river.NewWorkers()
	post := poster(&http.Client{Transport: transport}, os.Getenv("PEER_GATEWAY_URL"))
	river.AddWorker(workers, river.WorkFunc(post))
	client := must(river.NewClient[pgx.Tx](riverpgxv5.New(pool), &river.Config{
		// As River's own benchmark (river bench) has them.
		FetchCooldown:     2 * time.Millisecond,
		FetchPollInterval: 20 * time.Millisecond,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: size}},
		Workers:           workers,
	}))
	must(0, client.Start(ctx))
	<-client.Stopped()
}

// must ends the program if there is an error.
func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	number := must(strconv.Atoi(os.Args[2]))
	pool := must(pgxpool.New(ctx, os.Getenv("PEER_DATABASE_URL")))
	if os.Args[1] == "enqueue" {
		enqueue(ctx, pool, number)
	} else {
		work(ctx, pool, number)
	}
}
