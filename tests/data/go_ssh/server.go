// An SSH server as people write them with x/crypto/ssh: commands with an environment, and forwarding unless told not to.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"

	"golang.org/x/crypto/ssh"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	hostKey, err := os.ReadFile(os.Args[1])
	check(err)
	signer, err := ssh.ParsePrivateKey(hostKey)
	check(err)
	line, err := os.ReadFile(os.Args[2])
	check(err)
	allowed, _, _, _, err := ssh.ParseAuthorizedKey(line)
	check(err)
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) == string(allowed.Marshal()) {
				return nil, nil
			}
			return nil, fmt.Errorf("another key")
		},
	}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := listener.Accept()
		check(err)
		go serve(conn, config, os.Args[3] == "forwarding")
	}
}

func serve(conn net.Conn, config *ssh.ServerConfig, forwarding bool) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for asked := range channels {
		switch {
		case asked.ChannelType() == "session":
			if channel, requests, err := asked.Accept(); err == nil {
				go session(channel, requests)
			}
		case asked.ChannelType() == "direct-tcpip" && forwarding:
			go forward(asked)
		default:
			asked.Reject(ssh.UnknownChannelType, "not here")
		}
	}
}

func session(channel ssh.Channel, requests <-chan *ssh.Request) {
	environment := os.Environ()
	for request := range requests {
		var text struct{ Text string }
		var pair struct{ Name, Value string }
		switch {
		case request.Type == "env" && ssh.Unmarshal(request.Payload, &pair) == nil:
			environment = append(environment, pair.Name+"="+pair.Value)
			request.Reply(true, nil)
		case request.Type == "exec" && ssh.Unmarshal(request.Payload, &text) == nil:
			request.Reply(true, nil)
			go run(channel, text.Text, environment)
		default:
			request.Reply(false, nil)
		}
	}
}

func run(channel ssh.Channel, text string, environment []string) {
	command := exec.Command("/bin/sh", "-c", text)
	command.Env = environment
	stdin, err := command.StdinPipe()
	check(err)
	command.Stdout, command.Stderr = channel, channel.Stderr()
	check(command.Start())
	go func() {
		io.Copy(stdin, channel)
		stdin.Close()
	}()
	command.Wait()
	status := struct{ Status uint32 }{uint32(command.ProcessState.ExitCode())}
	channel.SendRequest("exit-status", false, ssh.Marshal(&status))
	channel.Close()
}

func forward(asked ssh.NewChannel) {
	var where struct {
		Host   string
		Port   uint32
		Origin string
		From   uint32
	}
	if ssh.Unmarshal(asked.ExtraData(), &where) != nil {
		asked.Reject(ssh.ConnectionFailed, "not understood")
		return
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("%s:%d", where.Host, where.Port))
	if err != nil {
		asked.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	channel, requests, err := asked.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	go func() {
		io.Copy(conn, channel)
		conn.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(channel, conn)
	channel.Close()
	conn.Close()
}
