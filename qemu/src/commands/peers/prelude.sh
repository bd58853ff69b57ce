#!/peers/busybox sh
# Stands where the initial root of a distribution would: loads what the disk needs, mounts it and
# makes way for the peer's init. `gauge` tells the time at the last moment before that.
PATH=/peers
b=/peers/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
for module in virtio_pci virtio_blk virtio_net virtio_rng ext4 overlay bridge veth; do
    $b modprobe "$module"
done
tries=0
until [ -e /dev/vda ] || [ "$tries" = 100 ]; do
    $b usleep 50000
    tries=$((tries + 1))
done
$b mount -t ext4 /dev/vda /mnt
for word in $($b cat /proc/cmdline); do
    case $word in
    peer=*) peer=${word#peer=} ;;
    subject=*) subject=${word#subject=} ;;
    esac
done
for place in proc sys dev; do
    $b mount --move /$place /mnt/$place
done
$b mount -t tmpfs -o mode=755 run /mnt/run
$b mount -t tmpfs tmp /mnt/tmp
case $peer in
systemd) set -- /lib/systemd/systemd ;;
s6) set -- /usr/bin/s6-svscan "/peers/s6/$subject" ;;
runit)
    $b ln -s "$subject" /mnt/peers/runit/current
    set -- /usr/sbin/runit
    ;;
busybox)
    $b cp "/mnt/peers/busybox-$subject.inittab" /mnt/etc/inittab
    set -- /peers/init
    ;;
esac
exec $b switch_root /mnt /peers/gauge exec "$@"
