// Runs h2spec against a port; its report goes to a file. Usage: program <port> <report> <tls|plain>
package main

import (
	"log"
	"os"
	"strconv"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"
)

func main() {
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	_, err = h2spec.Run(&config.Config{
		Host: "127.0.0.1", Port: port, Path: "/v1/events", Timeout: 2 * time.Second,
		MaxHeaderLen: 4000, Strict: true, JUnitReport: os.Args[2], TLS: os.Args[3] == "tls",
		Insecure: true,
	})
	if err != nil {
		log.Fatal(err)
	}
}
