"""What the program says in English only, and the Chinese pages need in Chinese."""

ROUTES = {
    "Open an SSH connection.": "建立一个 SSH 连接。",
    "Answer what the server, or an encrypted key, asked for.": "回答服务器或加密私钥提出的问题。",
    "Read again what is asked for.": "再次读取所问的内容。",
    "Give up instead of answering.": "放弃，不回答。",
    "List the connections.": "列出连接。",
    "Close a connection.": "关闭一个连接。",
    "Check connection, viewer and tunnel.": "检查连接、查看器和隧道。",
    "Time one SSH round trip.": "测量一次 SSH 往返的时间。",
    "List the remote's Python environments.": "列出远端的 Python 环境。",
    "Look for environments again.": "重新查找环境。",
    "Set up a private environment with runicorn on the remote.": "在远端建立带 runicorn 的私有环境。",
    "Cancel the request with this X-Request-Id.": "取消带有这个 X-Request-Id 的请求。",
    "Remove what environments/create has made.": "删除 environments/create 建立的环境。",
    "Read runicorn's configuration on the remote.": "读取远端的 runicorn 配置。",
    "Start the remote's viewer, or adopt the one that runs.": "启动远端的查看器，或接管正在运行的那个。",
    "Stop the viewer.": "停止查看器。",
    "Say how the viewer is.": "说明查看器的状态。",
    "Read the viewer's log.": "读取查看器的日志。",
    "List the runs of all viewers, or what changed in the list.": "列出所有查看器的训练记录，或列表的变化。",
    "Say what differs between some runs.": "说明几个训练记录有哪些不同。",
    "Read metrics of several runs, or what is new of them.": "读取几个训练记录的指标，或其中新增的部分。",
    "Put runs with the same values together.": "把值相同的训练记录归为一组。",
    "Read metrics of one run.": "读取一个训练记录的指标。",
    "Say how the machines of the connections are, and who uses their accelerators.": (
        "说明各连接的机器的状况，以及谁在使用它们的加速卡。"
    ),
    "List the ssh config's aliases.": "列出 ssh 配置里的主机别名。",
    "List the known host keys.": "列出已知的主机密钥。",
    "Trust exactly the key that was offered.": "信任服务器刚才出示的那个密钥。",
    "Forget a host's keys.": "忘记一台主机的密钥。",
    "List the saved connections.": "列出已保存的连接。",
    "Save a connection.": "保存一个连接。",
    "Save the ssh config's aliases as connections.": "把 ssh 配置里的主机别名保存为连接。",
    "Delete a saved connection.": "删除一个已保存的连接。",
}
"""Each route's summary in Chinese, by the English one: a summary that changes asks for its translation."""
